-- Notes deliveries under their recipients; a delivery keeps the time it was first noted with.
-- KEYS  the recipients' indexes
-- ARGV  how many to keep, how long to keep the index (s); then for each index: n, and n times: time (ms), event:delivery
-- reply 1 for each
local most, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local a, out = 3, {}
for _, index in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    redis.call('ZADD', index, 'NX', ARGV[a], ARGV[a + 1])
    a = a + 2
    out[#out + 1] = 1
  end
  redis.call('ZREMRANGEBYRANK', index, 0, -most - 1)
  redis.call('EXPIRE', index, keep)
end
return out
