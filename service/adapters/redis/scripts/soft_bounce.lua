-- Adds one to a score that halves every week. A key named twice counts twice.
-- KEYS scores; ARGV for each: now (ms), half-life (ms), how long to keep it (s)
-- reply for each "SCORE⇥AT"
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local now, half, keep = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), ARGV[a + 2]
  a = a + 3
  local old, score = redis.call('GET', key), 0
  if old then
    local before, at = string.match(old, '^(%S+)\t(%d+)$')
    score = tonumber(before) * 0.5 ^ (math.max(0, now - tonumber(at)) / half)
    now = math.max(now, tonumber(at))
  end
  score = score + 1
  local row = string.format('%.6f\t%.0f', score, now)
  redis.call('SET', key, row, 'EX', keep)
  out[#out + 1] = row
end
return out
