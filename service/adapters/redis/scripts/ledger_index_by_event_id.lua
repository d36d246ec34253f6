-- Adds events to the ledger's index by event id. Mostly one event has an id, so a string is enough: event keys, with
-- blanks between them, the newest last. In front of them "+N" counts those that were dropped.
-- KEYS     index entries of event ids
-- ARGV     events that an entry keeps, then for each key: n, then n times: event key, time to keep it (s)
-- Returns  1 for each event
-- Atomic   two sources that publish the same id at once must not overwrite each other's event key
-- Slot     all keys of one call are in one slot
local most = tonumber(ARGV[1])
local a, out = 2, {}

-- Appends an event; drops the oldest over the limit, so that one id cannot grow the index without end.
local function append(index, events, event)
  local dropped, kept = 0, {}
  for word in string.gmatch(events .. ' ' .. event, '%S+') do
    local count = string.match(word, '^%+(%d+)$')
    if count then dropped = tonumber(count) else kept[#kept + 1] = word end
  end
  local over = math.max(0, #kept - most)
  local words = {unpack(kept, over + 1)}
  if dropped + over > 0 then table.insert(words, 1, string.format('+%.0f', dropped + over)) end
  redis.call('SET', index, table.concat(words, ' '), 'KEEPTTL')
end

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
        append(index, events, event)
      end
      if redis.call('TTL', index) < tonumber(keep) then redis.call('EXPIRE', index, keep) end
    end
  end
end
return out
