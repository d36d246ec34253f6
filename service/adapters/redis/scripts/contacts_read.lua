-- Reads contacts of several accounts.
-- KEYS     hashes of accounts' contacts
-- ARGV     for each key: n, then n uuids
-- Returns  for each key a list of JSON; nil where there is no contact with that uuid
-- Atomic   not needed: a script only saves one command per account
-- Slot     all keys of one call are in one slot
local a, out = 1, {}
for i, account in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  out[i] = redis.call('HMGET', account, unpack(ARGV, a + 1, a + n))
  a = a + 1 + n
end
return out
