-- Marks entries as read. KEYS inbox; ARGV now (ms), read at (ms), ids
-- reply for each 1: now read, 0: was read before, -1: no such entry
local at, out = open(KEYS[1], ARGV[1]), {}
purge(at)
for i = 3, #ARGV do out[#out + 1] = mark(at, ARGV[i], ARGV[2]) end
finish(at)
return out
