-- Reads the order of a shard of the due set after a place.
-- KEYS[1]  a shard of the due set
-- ARGV     the place: time (ms), delivery id; at most how many
-- Returns  delivery id, time, delivery id, time, …
-- Atomic   reads only
-- Slot     the shard's
-- Many may be due at the same time: among them the place is found by halving.
local due, at, id = KEYS[1], ARGV[1], ARGV[2]
local first, last = redis.call('ZCOUNT', due, '-inf', '(' .. at), redis.call('ZCOUNT', due, '-inf', at)
while first < last do
  local middle = math.floor((first + last) / 2)
  if redis.call('ZRANGE', due, middle, middle)[1] <= id then
    first = middle + 1
  else
    last = middle
  end
end
return redis.call('ZRANGE', due, first, first + ARGV[3] - 1, 'WITHSCORES')
