-- Remembers the newest event of each supersede key; of events of one time, the one with the greater key.
-- KEYS  keys; ARGV how long to keep them (s), then for each: time (ms), event; reply the newest event of each
local a, out = 2, {}
for _, key in ipairs(KEYS) do
  local time, event = tonumber(ARGV[a]), ARGV[a + 1]
  a = a + 2
  local old = redis.call('GET', key)
  local old_time, old_event
  if old then old_time, old_event = string.match(old, '^(%-?%d+)\t(.*)$') end
  old_time = tonumber(old_time)
  if old and (old_time > time or old_time == time and old_event >= event) then
    out[#out + 1] = old_event
  else
    redis.call('SET', key, string.format('%.0f', time) .. '\t' .. event)
    out[#out + 1] = event
  end
  redis.call('EXPIRE', key, ARGV[1])
end
return out
