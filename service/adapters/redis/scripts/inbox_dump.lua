-- All of an inbox at one moment, for an audit. KEYS inbox; ARGV now (ms)
local box, changes = KEYS[1], {}
purge(box, ARGV[1], changes)
finish(box, ARGV[1], changes)
return {
  redis.call('HGETALL', box),
  redis.call('ZRANGE', box .. ':all', 0, -1),
  redis.call('ZRANGE', box .. ':unread', 0, -1),
  redis.call('ZRANGE', box .. ':read', 0, -1),
  redis.call('ZRANGE', box .. ':expires', 0, -1),
  redis.call('HGETALL', box .. ':counts'),
}
