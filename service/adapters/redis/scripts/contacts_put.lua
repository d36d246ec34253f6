-- Writes contacts (or API keys), except over a newer version or a newer deletion, and keeps the order of pages.
-- Needs row_functions.lua.
-- KEYS     hashes of accounts' contacts
-- ARGV     for each key: n, then n times: uuid, version, JSON
-- Returns  for each contact 1 if written, 0 if something newer is stored
-- Atomic   the version check and the write are one step, so two writers cannot undo each other's newer row
-- Slot     all keys of one call are in one slot: `:order` and `:gone` have the account's hash tag
local a, out = 1, {}
for _, account in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local uuid, version, row = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
    a = a + 3
    local old = redis.call('HGET', account, uuid)
    local current = old and (version_of(old))
      or tonumber(redis.call('HGET', account .. ':gone', uuid) or version)
    if current > version then
      out[#out + 1] = 0
    else
      redis.call('HSET', account, uuid, row)
      redis.call('ZADD', account .. ':order', rank_of(row), uuid)
      redis.call('HDEL', account .. ':gone', uuid)
      out[#out + 1] = 1
    end
  end
end
return out
