-- Contacts of several accounts. KEYS accounts; ARGV for each: n, and n uuids, or 0 for all of the account's contacts
-- reply for each a list: JSON, or nothing where there is no contact of that uuid
local a, out = 1, {}
for i, account in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  out[i] = n == 0 and redis.call('HVALS', account) or redis.call('HMGET', account, unpack(ARGV, a + 1, a + n))
  a = a + 1 + n
end
return out
