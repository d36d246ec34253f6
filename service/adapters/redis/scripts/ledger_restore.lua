-- Reads rows of deliveries, or writes rows in whose order of steps a rebuild has put what the log has.
-- Needs ledger_functions.lua.
-- KEYS     shards
-- ARGV     for each key the number of its events, and for each: head field, n, then n times: field of a row beside the head,
--          the row and the left-over steps that were read ("" for none), and both as they shall be; with an empty new row
--          nothing is written
-- Returns  for each delivery "1" if it was written, else the size of its row, a blank, its row, and its left-over steps, as
--          they are now; "-" if the ledger does not hold the event
-- Atomic   a row is written only while it is the one that was read, so two rebuilds at once lose no step
-- Slot     the shard's: all buckets of a shard have the same hash tag
local a, out = 1, {}

-- Returns a row without its spread, which the caller does not know, and its left-over steps.
local function read(bucket, field)
  local found = call('HMGET', bucket, field, field .. '++')
  local row, left = whole(bucket, field, found[1]), whole(bucket, field .. '++', found[2])
  return row and '\0' .. sub(row, 2) or '', left and sub(left, 2) or '', found[1], found[2]
end

local function write_row(shard, home, head, bucket, hash, field, row, first)
  row = char(spread_of(head)) .. sub(row, 2)
  if first then
    replace(bucket, field, row, first)
    return bucket
  end
  local args, segment = {}, newest_of(shard, home.period)
  local added = append(args, field, row)
  add(shard, segment, hash, args, added)
  return segment.prefix .. hash % segment.buckets
end

local function restore(shard, head_field, head, home)
  local field, row_before, left_before, row, left = unpack(ARGV, a, a + 4)
  a = a + 5
  if not head then return '-' end
  local hash
  field, hash = place_of(head_field, head, field)
  local _, bucket = find_row(shard, head, home, hash, field)
  local row_now, left_now, first, first_left = '', '', nil, nil
  if bucket then row_now, left_now, first, first_left = read(bucket, field) end
  if row == '' or row_now ~= row_before or left_now ~= left_before then return #row_now .. ' ' .. row_now .. left_now end
  bucket = write_row(shard, home, head, bucket, hash, field, row, first)
  if left ~= left_now then
    if first_left then remove(bucket, field .. '++', first_left) end
    local args = {}
    if left ~= '' then
      append(args, field .. '++', '\0' .. left)
      call('HSET', bucket, unpack(args))
    end
  end
  return '1'
end

for _, shard in ipairs(KEYS) do
  local events = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, events do
    local head_field, n = ARGV[a], tonumber(ARGV[a + 1])
    a = a + 2
    local head, _, home = find(shard, event_hash(head_field), head_field)
    for _ = 1, n do out[#out + 1] = restore(shard, head_field, head, home) end
  end
end
return out
