-- Adds deliveries to the ledger's index by recipient; a delivery keeps the time it was first added with.
-- KEYS     indexes of recipients
-- ARGV     rank of the last delivery to drop, time to keep an index (s), remaining time below which it is extended (s);
--          then for each key: n, then n times: time (ms), event:delivery
-- Returns  1 for each delivery
-- Atomic   the index is trimmed and its expiry set in the same step, so it is never unbounded or without an expiry
-- Slot     all keys of one call are in one slot
local last, keep, least = ARGV[1], ARGV[2], tonumber(ARGV[3])
local a, out = 4, {}
for _, index in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  redis.call('ZADD', index, 'NX', unpack(ARGV, a + 1, a + 2 * n))
  a = a + 1 + 2 * n
  for _ = 1, n do out[#out + 1] = 1 end
  redis.call('ZREMRANGEBYRANK', index, '0', last)
  if redis.call('TTL', index) < least then redis.call('EXPIRE', index, keep) end
end
return out
