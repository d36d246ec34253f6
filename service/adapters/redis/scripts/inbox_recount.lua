-- Recreates lists and counts from the entries, which are authoritative. Needs inbox_functions.lua.
-- KEYS[1]  an inbox
-- ARGV     now (ms)
-- Returns  the number of entries
-- Atomic   no reader or writer sees an inbox without its lists
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local box = KEYS[1]
for _, name in ipairs({':unread', ':read', ':counts'}) do redis.call('DEL', box .. name) end
local inbox = open(box, ARGV[1])
local rows = redis.call('HGETALL', box)
for i = 1, #rows, 2 do
  if select(4, parse(rows[i + 1])) == '' then -- cannot be read
    redis.call('HDEL', box, rows[i])
  else
    enter(inbox, rows[i], rows[i + 1])
  end
end
inbox.changes = {} -- listeners of the change stream know these entries already
inbox.was_next = false -- so that `finish` writes times and expiry again
purge(inbox)
finish(inbox)
return {#rows / 2}
