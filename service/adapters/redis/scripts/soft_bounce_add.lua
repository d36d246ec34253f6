-- Adds one to scores that halve with time, at most once a day for each delivery.
-- KEYS     scores; a key may be passed several times
-- ARGV     for each key: now (ms), half-life (ms), time to keep it (s), delivery
-- Returns  for each key "SCORE⇥AT"
-- Atomic   two workers that add at once must both count
-- Slot     all keys of one call are in one slot
-- A score is "SCORE⇥AT⇥DELIVERY@AT DELIVERY@AT …", with the deliveries that counted within a day, the newest first.
local DAY, MOST, AHEAD = 86400000, 30, 600000
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local now, half_life, keep, delivery = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), ARGV[a + 2], ARGV[a + 3]
  a = a + 4
  local old, score, counted, recent = redis.call('GET', key), 0, false, {}
  local at = now
  if old then
    local before, stored, deliveries = string.match(old, '^(%S+)\t(%d+)\t?(.*)$')
    local stored_at = tonumber(stored)
    if stored_at > now + AHEAD then
      stored_at = now -- the time of a wrong clock: until then, the score would never halve
    end
    at = math.max(now, stored_at) -- a clock that runs behind must not set the score's time back
    for id, id_at in string.gmatch(deliveries, '(%S+)@(%d+)') do
      if at - tonumber(id_at) < DAY and #recent < MOST then
        counted = counted or id == delivery
        recent[#recent + 1] = id .. '@' .. id_at
      end
    end
    if counted then
      out[#out + 1] = before .. '\t' .. stored
    else
      score = tonumber(before) * 0.5 ^ (math.max(0, now - tonumber(stored)) / half_life)
    end
  end
  if not counted then
    local row = string.format('%.6f\t%.0f', score + 1, at)
    table.insert(recent, 1, string.format('%s@%.0f', delivery, at))
    redis.call('SET', key, row .. '\t' .. table.concat(recent, ' '), 'EX', keep)
    out[#out + 1] = row
  end
end
return out
