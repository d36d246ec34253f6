-- Deletes a contact, unless it is newer. KEYS account; ARGV uuid, version, how long to keep the mark (s)
local uuid, version = ARGV[1], tonumber(ARGV[2])
local old = redis.call('HGET', KEYS[1], uuid)
local stands = old and (cjson.decode(old).version or 0)
  or tonumber(redis.call('HGET', KEYS[1] .. ':gone', uuid) or version)
if stands > version then return {0} end
redis.call('HDEL', KEYS[1], uuid)
redis.call('ZREM', KEYS[1] .. ':order', uuid)
redis.call('HSET', KEYS[1] .. ':gone', uuid, ARGV[2])
redis.call('EXPIRE', KEYS[1] .. ':gone', ARGV[3])
return {1}
