-- Reads rows of deliveries, or writes rows in whose order of steps a rebuild has put what the log has.
-- KEYS     ledgers of events
-- ARGV     for each key: n, then n times: delivery id, the row and the left-over steps that were read ("" for none),
--          and both as they shall be; with an empty new row nothing is written
-- Returns  for each delivery "1" if it was written, else its row, a zero byte, and its left-over steps, as they are now;
--          "-" if the ledger does not hold the event
-- Atomic   a row is written only while it is the one that was read, so two rebuilds at once lose no step
-- Slot     the event's: the hashes of a sharded event have the same hash tag
local a, out = 1, {}
for _, event in ipairs(KEYS) do
  local n, head, sharded = tonumber(ARGV[a]), unpack(redis.call('HMGET', event, '@', '@w'))
  a = a + 1
  for _ = 1, n do
    local delivery, row_before, left_before, row, left = unpack(ARGV, a, a + 4)
    a = a + 5
    local hash = sharded == '1' and event .. ':' .. string.sub(delivery, 1, 2) or event
    local now = redis.call('HMGET', hash, delivery, '@+' .. delivery)
    local row_now, left_now = now[1] or '', now[2] or ''
    if not head and not sharded and row_now == '' then
      out[#out + 1] = '-'
    elseif row == '' or row_now ~= row_before or left_now ~= left_before then
      out[#out + 1] = row_now .. '\0' .. left_now
    else
      redis.call('HSET', hash, delivery, row)
      if left == '' then redis.call('HDEL', hash, '@+' .. delivery) else redis.call('HSET', hash, '@+' .. delivery, left) end
      if hash ~= event then redis.call('EXPIRE', hash, math.max(1, redis.call('TTL', event))) end
      out[#out + 1] = '1'
    end
  end
end
return out
