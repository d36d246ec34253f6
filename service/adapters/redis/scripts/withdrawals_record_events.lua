-- Records events under their supersede keys, and returns up to when each key is withdrawn.
-- KEYS     recent events of supersede keys
-- ARGV     events to keep per key; then for each key: n, then n times: time (ms), event key, time to keep it (s)
-- Returns  for each event up to which time (ms) its key is withdrawn, "" if it is not
-- Atomic   the event is recorded and the withdrawal read in one step: whichever of an event and a withdrawal comes
--          second sees the first
-- Slot     all keys of one call are in one slot: `:withdrawn` has the key's hash tag
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
