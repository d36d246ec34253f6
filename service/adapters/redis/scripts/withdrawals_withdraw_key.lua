-- Withdraws a supersede key up to a time; the latest time is kept.
-- KEYS[1]  recent events of a supersede key
-- ARGV     time (ms), time to keep the withdrawal (s)
-- Returns  the events up to this time
-- Atomic   the withdrawal is stored and the events are read in one step: whichever of an event and a withdrawal
--          comes second sees the first
-- Slot     the supersede key's: `:withdrawn` has the same hash tag
local events, mark = KEYS[1], KEYS[1] .. ':withdrawn'
local old = redis.call('GET', mark)
if not old or tonumber(old) < tonumber(ARGV[1]) then redis.call('SET', mark, ARGV[1], 'KEEPTTL') end
if redis.call('TTL', mark) < tonumber(ARGV[2]) then redis.call('EXPIRE', mark, ARGV[2]) end
return redis.call('ZRANGEBYSCORE', events, '-inf', ARGV[1])
