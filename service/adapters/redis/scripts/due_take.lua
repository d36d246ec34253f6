-- Leases what is due. KEYS a part of the due set; ARGV now (ms), end of the lease (ms), how many, token
-- reply id, delivery, id, delivery, …
local due, out = KEYS[1], {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  local delivery = redis.call('HGET', due .. ':deliveries', id)
  if delivery then
    redis.call('ZADD', due, ARGV[2], id)
    redis.call('HSET', due .. ':tokens', id, ARGV[4])
    out[#out + 1] = id
    out[#out + 1] = delivery
  else
    forget(due, id)
  end
end
return out
