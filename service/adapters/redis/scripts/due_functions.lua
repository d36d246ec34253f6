-- Functions that the scripts of the due set share; it is joined in front of them.

-- Removes a delivery from a shard of the due set and from the sorted set that gives its age; returns that set's name.
local function remove(due, id)
  local age_list = redis.call('HGET', due .. ':standing', id)
  if age_list then
    redis.call('ZREM', due .. ':' .. age_list, id)
    redis.call('HDEL', due .. ':standing', id)
  end
  redis.call('ZREM', due, id)
  redis.call('HDEL', due .. ':deliveries', id)
  redis.call('HDEL', due .. ':tokens', id)
  return age_list or ''
end

-- Returns when a delivery was due at first, before any lease; `score` is its time in the due set.
local function first_due(due, id, score)
  local token = redis.call('HGET', due .. ':tokens', id)
  return token and string.match(token, ' (%d+)$') or score
end
