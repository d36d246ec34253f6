-- Reads the current step of deliveries.
-- KEYS     ledgers of events
-- ARGV     for each key: n, then n delivery ids
-- Returns  for each delivery its current step "STATE⇥REASON⇥AT⇥ATTEMPT⇥OWNER⇥DETAIL", "" if there is no such delivery
-- Slot     the event's: the hashes of a sharded event have the same hash tag
local a, out = 1, {}

for _, event in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  local fields = {'@w'}
  for i = 1, n do fields[i + 1] = ARGV[a + i] end
  a = a + n + 1
  local rows = redis.call('HMGET', event, unpack(fields))
  for i = 1, n do
    local row = rows[i + 1]
    if rows[1] == '1' then
      row = redis.call('HGET', event .. ':' .. string.sub(fields[i + 1], 1, 2), fields[i + 1])
    end
    out[#out + 1] = row and string.match(row, '^[^\n]*') or ''
  end
end
return out
