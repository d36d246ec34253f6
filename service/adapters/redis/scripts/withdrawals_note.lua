-- Remembers events under their supersede keys.
-- KEYS  the keys' events
-- ARGV  how many to remember a key; then for each key: n, and n times: time (ms), event, how long to keep it (s)
-- reply for each event up to which time (ms) its key is withdrawn, "" if it is not
local most = tonumber(ARGV[1])
local a, out = 2, {}
for _, events in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  local withdrawn = redis.call('GET', events .. ':withdrawn') or ''
  local keep = 0
  for _ = 1, n do
    redis.call('ZADD', events, ARGV[a], ARGV[a + 1])
    keep = math.max(keep, tonumber(ARGV[a + 2]))
    a = a + 3
    out[#out + 1] = withdrawn
  end
  redis.call('ZREMRANGEBYRANK', events, 0, -most - 1)
  if redis.call('TTL', events) < keep then redis.call('EXPIRE', events, keep) end
end
return out
