-- Adds one to scores that halve with time. A key that is passed twice counts twice.
-- KEYS     scores
-- ARGV     for each key: now (ms), half-life (ms), time to keep it (s)
-- Returns  for each key "SCORE⇥AT"
-- Atomic   two workers that add at once must both count
-- Slot     all keys of one call are in one slot
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local now, half_life, keep = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), ARGV[a + 2]
  a = a + 3
  local old, score = redis.call('GET', key), 0
  if old then
    local before, at = string.match(old, '^(%S+)\t(%d+)$')
    score = tonumber(before) * 0.5 ^ (math.max(0, now - tonumber(at)) / half_life)
    now = math.max(now, tonumber(at)) -- a clock that runs behind must not set the score's time back
  end
  score = score + 1
  local row = string.format('%.6f\t%.0f', score, now)
  redis.call('SET', key, row, 'EX', keep)
  out[#out + 1] = row
end
return out
