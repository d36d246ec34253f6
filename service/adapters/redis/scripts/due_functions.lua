-- Functions that the scripts of the due set share; it is joined in front of them.

-- Removes a delivery from a shard of the due set and from the sorted set that gives its age.
local function remove(due, id)
  local age_list = redis.call('HGET', due .. ':standing', id)
  if age_list then
    redis.call('ZREM', due .. ':' .. age_list, id)
    redis.call('HDEL', due .. ':standing', id)
  end
  redis.call('ZREM', due, id)
  redis.call('HDEL', due .. ':deliveries', id)
  redis.call('HDEL', due .. ':tokens', id)
end
