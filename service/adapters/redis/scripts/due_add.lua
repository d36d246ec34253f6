-- Stores deliveries, or moves them: a lease given before ends.
-- KEYS parts of the due set; ARGV for each: n, and n times: delivery id, due (ms), delivery; reply 1 for each
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    redis.call('HSET', due .. ':deliveries', ARGV[a], ARGV[a + 2])
    redis.call('HDEL', due .. ':tokens', ARGV[a])
    redis.call('ZADD', due, ARGV[a + 1], ARGV[a])
    a = a + 3
    out[#out + 1] = 1
  end
end
return out
