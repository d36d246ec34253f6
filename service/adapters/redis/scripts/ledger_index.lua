-- Notes deliveries under their recipients; a delivery keeps the time it was first noted with.
-- KEYS  the recipients' indexes
-- ARGV  the rank of the last one to drop, how long to keep an index (s), what it must have left of that (s);
--       then for each index: n, and n times: time (ms), event:delivery
-- reply 1 for each
local last, keep, left = ARGV[1], ARGV[2], tonumber(ARGV[3])
local a, out = 4, {}
for _, index in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  redis.call('ZADD', index, 'NX', unpack(ARGV, a + 1, a + 2 * n))
  a = a + 1 + 2 * n
  for _ = 1, n do out[#out + 1] = 1 end
  redis.call('ZREMRANGEBYRANK', index, '0', last)
  if redis.call('TTL', index) < left then redis.call('EXPIRE', index, keep) end
end
return out
