-- Unread entries by type. KEYS inbox; ARGV now (ms); reply type, count, type, count, …
local changes = {}
purge(KEYS[1], ARGV[1], changes)
finish(KEYS[1], ARGV[1], changes)
return redis.call('HGETALL', KEYS[1] .. ':counts')
