-- Marks an event as taken back; the first time stays.
-- KEYS event; ARGV at (ms), least time to keep the mark (s): with 0, only an event that is there keeps it
redis.call('HSETNX', KEYS[1], '@x', ARGV[1])
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {1}
