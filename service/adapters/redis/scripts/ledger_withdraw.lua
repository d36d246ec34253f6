-- Marks an event as withdrawn; the first time is kept. Needs ledger_functions.lua.
-- KEYS[1]  a shard
-- ARGV     head field, head with the mark, hours to keep it where there is none; 0: not at all
-- Returns  {1}
-- Atomic   a delivery that is entered meanwhile sees the mark or is seen
-- Slot     the shard's: all buckets of a shard have the same hash tag
local head_field, head, hours = ARGV[1], ARGV[2], tonumber(ARGV[3])
local hash = event_hash(head_field)
local stored, bucket = find(KEYS[1], hash, head_field)
if not stored then
  if hours > 0 then add(KEYS[1], segment_for(KEYS[1], hours), hash, {head_field, head}, 1) end
elseif not has(stored, WITHDRAWN) then
  local full = whole(bucket, head_field, stored)
  replace(bucket, head_field, char(byte(full) + WITHDRAWN) .. sub(head, 2, 7) .. sub(full, 2), stored)
end
return {1}
