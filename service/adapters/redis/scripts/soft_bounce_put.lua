-- Puts scores back, except over newer ones, and except those that have faded.
-- KEYS scores; ARGV for each: score, at (ms), how long to keep it (s); reply 1 for each that was put, else 0
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local score, at, keep = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  a = a + 3
  local old = redis.call('GET', key)
  local newer = old and tonumber(string.match(old, '\t(%d+)$')) > tonumber(at)
  if newer or keep <= 0 then
    out[#out + 1] = 0
  else
    redis.call('SET', key, score .. '\t' .. at, 'EX', keep)
    out[#out + 1] = 1
  end
end
return out
