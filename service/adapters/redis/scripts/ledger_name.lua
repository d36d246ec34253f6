-- Notes events under their own ids: mostly there is one event of an id, so it is a string, with blanks between more.
-- KEYS  the ids' events; ARGV for each: n, and n times: event, how long to keep it (s); reply 1 for each
local a, out = 1, {}
for _, names in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local event, keep = ARGV[a], ARGV[a + 1]
    a = a + 2
    out[#out + 1] = 1
    if not redis.call('SET', names, event, 'NX', 'EX', keep) then
      local had = redis.call('GET', names)
      if not string.find(' ' .. had .. ' ', ' ' .. event .. ' ', 1, true) then redis.call('APPEND', names, ' ' .. event) end
      if redis.call('TTL', names) < tonumber(keep) then redis.call('EXPIRE', names, keep) end
    end
  end
end
return out
