-- All of an inbox at one moment, for an audit. KEYS inbox; ARGV now (ms)
local box, at = KEYS[1], open(KEYS[1], ARGV[1])
purge(at)
finish(at)
return {
  redis.call('HGETALL', box),
  redis.call('ZRANGE', box .. ':unread', 0, -1),
  redis.call('ZRANGE', box .. ':read', 0, -1),
  redis.call('HGETALL', box .. ':counts'),
}
