-- Removes personal data from deliveries: the recipient, and the texts of steps, in which relays quote addresses.
-- Needs ledger_functions.lua.
-- KEYS[1]  a shard
-- ARGV     head field, the recipient of the new rows, then fields of rows beside the head
-- Returns  how many of them were there
-- Atomic   a row is read and written back in one step, so a transition made meanwhile is not lost
-- Slot     the shard's: all buckets of a shard have the same hash tag
local head_field, stand_in, rewritten = ARGV[1], ARGV[2], 0
local head = find(KEYS[1], event_hash(head_field), head_field)

local function anonymised(row)
  local parts, place = {sub(row, 1, 2)}, 3
  for _ = 1, byte(row, 2) do
    local size, before_text = step_size(row, place)
    parts[#parts + 1] = sub(row, place, place + 1) .. char(byte(row, place + 2) % 128) .. sub(row, place + 3, place + before_text - 1)
    place = place + size
  end
  local size = byte(row, place + 1) -- of the recipient; see `text_bytes` in texts.py
  if size == 254 then size = 16 elseif size == 253 then size = 12 elseif size == 255 then
    size = 2 + unpack_bytes('>I2', row, place + 2)
  end
  parts[#parts + 1] = sub(row, place, place) .. stand_in .. sub(row, place + 2 + size)
  return table.concat(parts)
end

for i = 3, #ARGV do
  local field, hash = place_of(head_field, head, ARGV[i])
  local first, bucket = find(KEYS[1], hash, field)
  if first then
    replace(bucket, field, anonymised(whole(bucket, field, first)), first)
    local left = call('HGET', bucket, field .. '++') -- the steps that a rebuild has kept for it
    if left then remove(bucket, field .. '++', left) end
    rewritten = rewritten + 1
  end
end
return {rewritten}
