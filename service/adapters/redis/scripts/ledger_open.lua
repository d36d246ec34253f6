-- Enters deliveries that are not in the ledger yet, and stores the heads of new events. Needs ledger_functions.lua.
-- KEYS     shards
-- ARGV     code of `withdrawn` with its reason as a step without time, the states from which it may follow; then for each
--          key the number of its events, and for each event: head field, head or "", n (one byte) and hours to keep it (four
--          bytes), then n times: field of a row beside the head, row
-- Returns  the code of the current state of each delivery
-- Atomic   a delivery is entered once although workers repeat a batch, and a withdrawal stored meanwhile is seen
-- Slot     the shard's: all buckets of a shard have the same hash tag
local withdrawn_step, withdrawable = ARGV[1], set_of(ARGV[2])
local a, out = 3, {}

-- Returns the row of a delivery of a withdrawn event.
local function withdrawn_row(row)
  return sub(row, 1, 2) .. sub(withdrawn_step, 1, 3) .. sub(row, 6, 11) .. sub(row, 3 + step_size(row, 3))
end

local function open_event(shard)
  local head_field, head, n, hours = ARGV[a], ARGV[a + 1], unpack_bytes('>BI4', ARGV[a + 2])
  a = a + 3
  local hash, segment = event_hash(head_field), segment_for(shard, hours)
  local stored, bucket, home = find(shard, hash, head_field)
  local new, fields, is_new = {}, 0, not stored -- `new`: what is written into the event's bucket, in one HSET
  if head ~= '' and stored and not has(stored, KNOWN) then -- it was withdrawn before it came, or has rows without a head
    local full = whole(bucket, head_field, stored)
    local spread = has(full, DECIDED) and spread_of(full) or spread_of(head)
    local mark = has(full, WITHDRAWN) and sub(full, 2, 7) or ''
    head = char(KNOWN + DECIDED + spread + (mark ~= '' and WITHDRAWN or 0)) .. mark .. sub(head, 2)
    if home.ends >= segment.ends then
      replace(bucket, head_field, head, stored)
    else -- the mark ends before the event
      remove(bucket, head_field, stored)
      fields, home = append(new, head_field, head), segment
    end
    stored = head
  elseif is_new then
    stored = head ~= '' and head or char(DECIDED)
    fields = append(new, head_field, stored)
  end
  local spread, withdrawn, entered = spread_of(stored), has(stored, WITHDRAWN), n > 1 and {}
  for _ = 1, n do
    local field, row = ARGV[a], ARGV[a + 1]
    a = a + 2
    local state = entered and entered[field]
    if not state then
      local place, place_hash = field, hash
      if spread > 0 then place, place_hash = place_of(head_field, stored, field) end
      local current = not is_new and find_row(shard, stored, home or segment, place_hash, place)
      if current then
        state = state_of(current)
      else
        state = state_of(row)
        if withdrawn and withdrawable[state] then
          row = withdrawn_row(row)
          state = state_of(row)
        end
        if spread > 0 then
          local args = {}
          local added = append(args, place, char(spread) .. sub(row, 2))
          add(shard, newest_of(shard, (home or segment).period), place_hash, args, added, true) -- ends with its head
        else
          fields = fields + append(new, field, row)
        end
      end
      if entered then entered[field] = state end
    end
    out[#out + 1] = state
  end
  if fields > 0 then add(shard, home or segment, hash, new, fields) end
end

for _, shard in ipairs(KEYS) do
  a = a + 1
  for _ = 1, tonumber(ARGV[a - 1]) do open_event(shard) end
end
return out
