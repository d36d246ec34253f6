-- Restores scores, except over newer ones, and except those that have faded.
-- KEYS     scores
-- ARGV     for each key: score, at (ms), time to keep it (s)
-- Returns  for each key 1 if written, else 0
-- Atomic   the time check and the write are one step, so a bounce counted meanwhile is not overwritten
-- Slot     all keys of one call are in one slot
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local score, at, keep = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  a = a + 3
  local old = redis.call('GET', key)
  local newer = old and tonumber(string.match(old, '\t(%d+)')) > tonumber(at)
  if newer or keep <= 0 then
    out[#out + 1] = 0
  else
    redis.call('SET', key, score .. '\t' .. at, 'EX', keep)
    out[#out + 1] = 1
  end
end
return out
