-- Removes deliveries from the indexes of held ones, unless they are held until another time since.
-- KEYS     indexes of recipients
-- ARGV     for each key: n, then n times: delivery (20 bytes), the time (ms) until which it was held
-- Returns  1 for each delivery
-- Atomic   a delivery that is held again meanwhile stays
-- Slot     the recipient's
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    if redis.call('ZSCORE', key, ARGV[a]) == ARGV[a + 1] then redis.call('ZREM', key, ARGV[a]) end
    a = a + 2
    out[#out + 1] = 1
  end
end
return out
