-- Reserves messages at a steady rate with a burst, by the server's clock (the generic cell rate algorithm).
-- KEYS[1]  when the next message may go (µs)
-- ARGV     messages, µs per message, burst (µs), longest wait (µs)
-- Returns  {µs to wait}; nothing is reserved when that is over the longest wait
-- Atomic   two workers must not reserve the same time; the server's clock saves them from agreeing on theirs
-- Slot     one key
local n, interval, burst, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local start = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - burst)
local wait = math.max(0, start - now)
if wait > longest then return {wait} end
local after = start + n * interval
local keep_ms = math.ceil(math.max(1, after - now + burst) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', keep_ms)
return {math.floor(wait)}
