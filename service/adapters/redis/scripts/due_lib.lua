-- What the scripts of the due set share.

-- Takes a delivery out of a part of the due set, and out of what tells its age.
local function forget(due, id)
  local standing = redis.call('HGET', due .. ':standing', id)
  if standing then
    redis.call('ZREM', due .. ':' .. standing, id)
    redis.call('HDEL', due .. ':standing', id)
  end
  redis.call('ZREM', due, id)
  redis.call('HDEL', due .. ':deliveries', id)
  redis.call('HDEL', due .. ':tokens', id)
end
