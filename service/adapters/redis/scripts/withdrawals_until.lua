-- Withdraws a supersede key up to a time; the latest time stays.
-- KEYS the key's events; ARGV time (ms), how long the word stands (s); reply the events up to this time
local events, mark = KEYS[1], KEYS[1] .. ':withdrawn'
local old = redis.call('GET', mark)
if not old or tonumber(old) < tonumber(ARGV[1]) then redis.call('SET', mark, ARGV[1], 'KEEPTTL') end
if redis.call('TTL', mark) < tonumber(ARGV[2]) then redis.call('EXPIRE', mark, ARGV[2]) end
return redis.call('ZRANGEBYSCORE', events, '-inf', ARGV[1])
