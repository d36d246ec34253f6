-- Begins the stream of an inbox's changes, if there is none, and keeps it for a time.
-- KEYS[1]  a stream
-- ARGV[1]  how long to keep it (s)
-- Returns  the id of its last entry; the first one is a mark, so that every position is the id of an entry
-- Atomic   of two listeners that begin at once, both have the position of one stream
-- Slot     one key
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local position = last and last[1] or redis.call('XADD', KEYS[1], '*', '', 'start')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return position
