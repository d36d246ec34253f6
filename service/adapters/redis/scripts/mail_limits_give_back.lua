-- Frees the room of mails that are not sent, and ends their waiting.
-- KEYS     counts of recipients
-- ARGV     for each key: n, then n deliveries
-- Returns  1 for each delivery
-- Atomic   a mail must not be freed in one scope and counted in the other meanwhile
-- Slot     the recipient's: all its keys have the same hash tag
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  local scopes = { key }
  for _, type in ipairs(redis.call('SMEMBERS', key .. ':types')) do scopes[#scopes + 1] = key .. ':type:' .. type end
  for i = 1, n do
    for _, scope in ipairs(scopes) do
      redis.call('ZREM', scope, ARGV[a + i])
      redis.call('ZREM', scope .. ':waiting', ARGV[a + i])
      redis.call('ZREM', scope .. ':times', ARGV[a + i])
    end
    out[#out + 1] = 1
  end
  a = a + 1 + n
end
return out
