-- Removes entries. Needs inbox_functions.lua.
-- KEYS[1]  an inbox
-- ARGV     now (ms), then ids
-- Returns  how many of them were there
-- Atomic   entry, lists, counts and change stream change together
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local inbox = open(KEYS[1], ARGV[1])
purge(inbox)
local removed = drop_all(inbox, {unpack(ARGV, 2)})
finish(inbox)
return {removed}
