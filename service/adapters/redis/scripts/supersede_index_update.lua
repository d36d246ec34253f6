-- Stores the newest event of each supersede key; of events with the same time, the one with the greater event key.
-- KEYS     newest events of supersede keys
-- ARGV     time to keep them (s), then for each key: time (ms), event key
-- Returns  for each key its newest event
-- Atomic   the comparison and the write are one step, so the result does not depend on the order of the calls
-- Slot     all keys of one call are in one slot
local a, out = 2, {}

-- A time that is an hour ahead of this server's clock was stored by an earlier version, which took it from a wrong clock.
-- It counts as none: it would supersede all later events.
local latest = (tonumber(redis.call('TIME')[1]) + 3600) * 1000

for _, key in ipairs(KEYS) do
  local time, event = tonumber(ARGV[a]), ARGV[a + 1]
  a = a + 2
  local old = redis.call('GET', key)
  local old_time, old_event
  if old then old_time, old_event = string.match(old, '^(%-?%d+)\t(.*)$') end
  old_time = tonumber(old_time)
  if old_time and old_time <= latest and (old_time > time or old_time == time and old_event >= event) then
    out[#out + 1] = old_event
  else
    redis.call('SET', key, string.format('%.0f', time) .. '\t' .. event)
    out[#out + 1] = event
  end
  redis.call('EXPIRE', key, ARGV[1])
end
return out
