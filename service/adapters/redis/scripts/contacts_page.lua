-- A part of an account's contacts, the main one first, then by uuid. KEYS account; ARGV first and last place, as ZRANGE has it
-- reply how many there are in all, then the JSON of each
local account, order = KEYS[1], KEYS[1] .. ':order'
local total, out = redis.call('HLEN', account), {}

if redis.call('ZCARD', order) ~= total then -- rows that were written before there was an order, or a part of them is lost
  redis.call('DEL', order)
  local rows = redis.call('HGETALL', account)
  for i = 1, #rows, 2 do redis.call('ZADD', order, cjson.decode(rows[i + 1]).main and 0 or 1, rows[i]) end
end

local uuids = redis.call('ZRANGE', order, ARGV[1], ARGV[2])
out[1] = total
for first = 1, #uuids, 1000 do
  local rows = redis.call('HMGET', account, unpack(uuids, first, math.min(first + 999, #uuids)))
  for i, row in ipairs(rows) do out[first + i] = row end
end
return out
