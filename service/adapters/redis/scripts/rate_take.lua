-- Reserves mails at a steady rate with a burst, by the server's clock (the generic cell rate algorithm).
-- KEYS the time when the next mail may go (µs); ARGV mails, µs a mail, burst (µs), most to wait (µs)
-- reply µs to wait; beyond the most nothing is reserved
local n, interval, burst, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local start = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - burst)
local wait = math.max(0, start - now)
if wait > most then return {wait} end
local after = start + n * interval
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil(math.max(1, after - now + burst) / 1000) + 1000)
return {math.floor(wait)}
