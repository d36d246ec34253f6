-- Adds to the count of a window, which expires with it.
-- KEYS[1]  the count of a caller in a window
-- ARGV     amount; length of the window (s)
-- Returns  the count afterwards
-- Atomic   a count that was made and has no expiry would stay for ever
-- Slot     one key
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {count}
