-- Removes what its lease still stands for.
-- KEYS parts of the due set; ARGV for each: n, and n times: delivery id, token; reply 1 if removed, 0 if not ours any more
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id, token = ARGV[a], ARGV[a + 1]
    a = a + 2
    if redis.call('HGET', due .. ':tokens', id) == token then
      forget(due, id)
      out[#out + 1] = 1
    else
      out[#out + 1] = 0
    end
  end
end
return out
