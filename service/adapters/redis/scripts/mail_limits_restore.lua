-- Counts mails that were sent before, for a rebuild; of several times of a mail the newest is kept.
-- KEYS     counts of recipients
-- ARGV     for each key: n, then n times: delivery, type, 1 if all its mails have a limit, 1 if the type has one, time (ms)
-- Returns  1 for each delivery
-- Atomic   a take that counts the mail meanwhile has a newer time, which is kept
-- Slot     the recipient's: all its keys have the same hash tag
local KEEP = 90000 -- seconds, as in mail_limits_take.lua
local a, out = 1, {}

local function count(key, id, at)
  if tonumber(redis.call('ZSCORE', key, id) or 0) < tonumber(at) then redis.call('ZADD', key, at, id) end
  redis.call('EXPIRE', key, KEEP)
end

for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id, type, at = ARGV[a], ARGV[a + 1], ARGV[a + 4]
    if ARGV[a + 2] == '1' then count(key, id, at) end
    if ARGV[a + 3] == '1' then
      count(key .. ':type:' .. type, id, at)
      redis.call('SADD', key .. ':types', type)
      redis.call('EXPIRE', key .. ':types', KEEP)
    end
    a = a + 5
    out[#out + 1] = 1
  end
end
return out
