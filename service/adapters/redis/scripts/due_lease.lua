-- Leases deliveries whose time has come. Needs due_functions.lua.
-- KEYS[1]  a shard of the due set
-- ARGV     now (ms), end of the lease (ms), at most how many, token of the lease
-- Returns  delivery, when it was due at first (ms), delivery, …; no more once the deliveries have 128 KiB
-- Atomic   a delivery is read and its time is set to the end of the lease in one step, so two workers never lease it
-- Slot     the shard's: all its keys have the same hash tag
local due, out, size = KEYS[1], {}, 0
local rows = redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #rows, 2 do
  if size >= 131072 then break end
  local id = rows[i]
  local delivery = redis.call('HGET', due .. ':deliveries', id)
  if delivery then
    local due_ms = first_due(due, id, rows[i + 1])
    redis.call('ZADD', due, ARGV[2], id)
    redis.call('HSET', due .. ':tokens', id, ARGV[4] .. ' ' .. due_ms)
    out[#out + 1] = delivery
    out[#out + 1] = due_ms
    size = size + #delivery
  else -- an id without its delivery would be leased for ever
    remove(due, id)
  end
end
return out
