-- Stores deliveries, or moves them: a lease given before ends.
-- KEYS parts of the due set; ARGV for each: n, and n times: delivery id, due (ms), delivery, when its event came in (ms),
-- LANE:STATE; reply 1 for each
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id, standing = ARGV[a], ARGV[a + 4]
    local before = redis.call('HGET', due .. ':standing', id)
    if before and before ~= standing then
      redis.call('ZREM', due .. ':' .. before, id)
    end
    redis.call('HSET', due .. ':standing', id, standing)
    redis.call('ZADD', due .. ':' .. standing, ARGV[a + 3], id)
    redis.call('HSET', due .. ':deliveries', id, ARGV[a + 2])
    redis.call('HDEL', due .. ':tokens', id)
    redis.call('ZADD', due, ARGV[a + 1], id)
    a = a + 5
    out[#out + 1] = 1
  end
end
return out
