-- Reads all of an inbox, for an audit. Needs inbox_functions.lua.
-- KEYS[1]  an inbox
-- ARGV     now (ms)
-- Returns  entries (id, entry, …), unread ids, read ids, counts (type, count, …)
-- Atomic   all four belong to one moment, so a difference between them is drift and not a race
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local box, inbox = KEYS[1], open(KEYS[1], ARGV[1])
purge(inbox)
finish(inbox)
return {
  redis.call('HGETALL', box),
  redis.call('ZRANGE', box .. ':unread', 0, -1),
  redis.call('ZRANGE', box .. ':read', 0, -1),
  redis.call('HGETALL', box .. ':counts'),
}
