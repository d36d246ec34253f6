-- Deletes a contact (or an API key), unless a newer version is stored. Needs row_functions.lua.
-- KEYS[1]  hash of an account's contacts
-- ARGV     uuid, version, time to keep the tombstone (s)
-- Returns  {1} if deleted, {0} if a newer version is stored
-- Versions are times in ms.
-- Atomic   the version check and the deletion are one step, so a newer row written meanwhile is not deleted
-- Slot     the account's: `:order` and `:gone` have the same hash tag
local uuid, version = ARGV[1], tonumber(ARGV[2])
local old = redis.call('HGET', KEYS[1], uuid)
local current = old and version_of(old)
  or tonumber(redis.call('HGET', KEYS[1] .. ':gone', uuid) or version)
if current > version then return {0} end
redis.call('HDEL', KEYS[1], uuid)
redis.call('ZREM', KEYS[1] .. ':order', uuid)
redis.call('HSET', KEYS[1] .. ':gone', uuid, ARGV[2])
redis.call('EXPIRE', KEYS[1] .. ':gone', ARGV[3])

-- Tombstones whose time is over, some at each deletion: an account that deletes every day would keep all of them.
local some = redis.call('HRANDFIELD', KEYS[1] .. ':gone', 8, 'WITHVALUES')
for i = 1, #some, 2 do
  if tonumber(some[i + 1]) < version - ARGV[3] * 1000 then redis.call('HDEL', KEYS[1] .. ':gone', some[i]) end
end
return {1}
