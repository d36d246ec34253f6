-- Makes lists and counts anew from the entries, which are the truth. KEYS inbox; ARGV now (ms)
local box = KEYS[1]
for _, name in ipairs({':unread', ':read', ':counts'}) do redis.call('DEL', box .. name) end
local at = open(box, ARGV[1])
local rows = redis.call('HGETALL', box)
for i = 1, #rows, 2 do enter(at, rows[i], rows[i + 1]) end
at.changes, at.was_next = {}, false -- nothing is new to whoever reads along; times and expiry are written anew
purge(at)
finish(at)
return {#rows / 2}
