-- Reads a page of an account's contacts: the main contact first, then by uuid. Needs row_functions.lua.
-- KEYS[1]  hash of an account's contacts
-- ARGV     first and last position, as for ZRANGE
-- Returns  the total number of contacts, then the uuids of the page
-- Atomic   total and order belong to one moment; a missing order is rebuilt without a writer in between
-- Slot     the account's: `:order` has the same hash tag
local account, order = KEYS[1], KEYS[1] .. ':order'
local total = redis.call('HLEN', account)

-- Rows that were written before there was an order have none, and a part of it may be lost: rebuild it.
if redis.call('ZCARD', order) ~= total then
  redis.call('DEL', order)
  local rows = redis.call('HGETALL', account)
  for i = 1, #rows, 2 do redis.call('ZADD', order, rank_of(rows[i + 1]), rows[i]) end
end

local out = redis.call('ZRANGE', order, ARGV[1], ARGV[2])
table.insert(out, 1, total)
return out
