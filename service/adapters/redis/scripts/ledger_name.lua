-- Notes events under their own ids.
-- KEYS  the ids' events; ARGV for each: n, and n times: event, how long to keep it (s); reply 1 for each
local a, out = 1, {}
for _, names in ipairs(KEYS) do
  local n, keep = tonumber(ARGV[a]), 0
  a = a + 1
  for _ = 1, n do
    redis.call('SADD', names, ARGV[a])
    keep = math.max(keep, tonumber(ARGV[a + 1]))
    a = a + 2
    out[#out + 1] = 1
  end
  if redis.call('TTL', names) < keep then redis.call('EXPIRE', names, keep) end
end
return out
