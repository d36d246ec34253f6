-- Counts the unread entries by type. Needs inbox_functions.lua.
-- KEYS[1]  an inbox
-- ARGV     now (ms)
-- Returns  type, count, type, count, … and possibly `@next`, time, `@last`, time (ms)
-- Atomic   expired entries are removed from lists and counts in the same step
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local inbox = open(KEYS[1], ARGV[1])
purge(inbox)
finish(inbox)
return redis.call('HGETALL', KEYS[1] .. ':counts')
