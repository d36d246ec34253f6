-- Marks entries as read. KEYS inbox; ARGV now (ms), read at (ms), ids
-- reply for each 1: now read, 0: was read before, -1: no such entry
local box, now, at, changes, out = KEYS[1], ARGV[1], ARGV[2], {}, {}
purge(box, now, changes)
for i = 3, #ARGV do out[#out + 1] = mark(box, ARGV[i], at, changes) end
finish(box, now, changes)
return out
