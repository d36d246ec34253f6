-- Makes deliveries that wait due at a time at the latest.
-- KEYS     shards of the due set
-- ARGV     time (ms); for each key: n, then n delivery ids
-- Returns  for each delivery 1 if its time has changed, else 0
-- Atomic   a delivery that is leased meanwhile keeps the end of its lease
-- Slot     the shard's: all its keys have the same hash tag
local a, out, at = 2, {}, tonumber(ARGV[1])
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  for i = 1, n do
    local id = ARGV[a + i]
    local score = redis.call('ZSCORE', due, id)
    if score and tonumber(score) > at and redis.call('HEXISTS', due .. ':tokens', id) == 0 then
      redis.call('ZADD', due, ARGV[1], id)
      out[#out + 1] = 1
    else
      out[#out + 1] = 0
    end
  end
  a = a + 1 + n
end
return out
