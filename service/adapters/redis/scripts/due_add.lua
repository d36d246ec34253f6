-- Stores deliveries in the due set; one that is already there gets the new time, and its lease ends.
-- KEYS     shards of the due set
-- ARGV     for each key: n, then n times: delivery id, due (ms), delivery, when its event was received (ms), and LANE:STATE,
--          of held ones LANE:held:REASON
-- Returns  1 for each delivery
-- Atomic   the five keys of a shard change together: a worker cannot lease a delivery that is half written
-- Slot     the shard's: all its keys have the same hash tag
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id, age_list = ARGV[a], ARGV[a + 4]
    local previous_list = redis.call('HGET', due .. ':standing', id)
    if previous_list and previous_list ~= age_list then
      redis.call('ZREM', due .. ':' .. previous_list, id)
    end
    redis.call('HSET', due .. ':standing', id, age_list)
    redis.call('ZADD', due .. ':' .. age_list, ARGV[a + 3], id)
    redis.call('HSET', due .. ':deliveries', id, ARGV[a + 2])
    if previous_list then redis.call('HDEL', due .. ':tokens', id) end -- a new one has no lease
    redis.call('ZADD', due, ARGV[a + 1], id)
    a = a + 5
    out[#out + 1] = 1
  end
end
return out
