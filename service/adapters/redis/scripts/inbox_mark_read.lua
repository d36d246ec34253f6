-- Marks entries as read. Needs inbox_functions.lua.
-- KEYS[1]  an inbox
-- ARGV     now (ms), read at (ms), then ids
-- Returns  for each id 1: now read, 0: read before, -1: no such entry
-- Atomic   an entry leaves the unread list and the count in one step, so a second call cannot count it down again
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local inbox, out = open(KEYS[1], ARGV[1]), {}
purge(inbox)
for i = 3, #ARGV do out[#out + 1] = mark_read(inbox, ARGV[i], ARGV[2]) end
finish(inbox)
return out
