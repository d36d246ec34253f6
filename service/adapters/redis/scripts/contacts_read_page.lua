-- Reads a page of an account's contacts: the main contact first, then by uuid. Needs row_functions.lua.
-- KEYS[1]  hash of an account's contacts
-- ARGV     first and last position, as for ZRANGE
-- Returns  the total number of contacts, then the uuids of the page
-- Atomic   total and order belong to one moment; a missing order is rebuilt without a writer in between
-- Slot     the account's: `:order` has the same hash tag
local order = order_of(KEYS[1])
local out = redis.call('ZRANGE', order, ARGV[1], ARGV[2])
table.insert(out, 1, redis.call('ZCARD', order))
return out
