-- Adds events to the ledger's index by event id. Mostly one event has an id, so a string is enough: event keys, with
-- blanks between them.
-- KEYS     index entries of event ids
-- ARGV     for each key: n, then n times: event key, time to keep it (s)
-- Returns  1 for each event
-- Atomic   two sources that publish the same id at once must not overwrite each other's event key
-- Slot     all keys of one call are in one slot
local a, out = 1, {}
for _, index in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local event, keep = ARGV[a], ARGV[a + 1]
    a = a + 2
    out[#out + 1] = 1
    if not redis.call('SET', index, event, 'NX', 'EX', keep) then
      local events = redis.call('GET', index)
      if not string.find(' ' .. events .. ' ', ' ' .. event .. ' ', 1, true) then
        redis.call('APPEND', index, ' ' .. event)
      end
      if redis.call('TTL', index) < tonumber(keep) then redis.call('EXPIRE', index, keep) end
    end
  end
end
return out
