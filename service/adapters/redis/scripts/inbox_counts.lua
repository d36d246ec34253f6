-- Unread entries by type. KEYS inbox; ARGV now (ms); reply type, count, type, count, …, and maybe `@next` and `@last`
local at = open(KEYS[1], ARGV[1])
purge(at)
finish(at)
return redis.call('HGETALL', KEYS[1] .. ':counts')
