-- Gives up locks, unless they have ended and another holds them now.
-- KEYS  locks; ARGV for each the token; reply 1 if it was held
local out = {}
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[i] then out[i] = redis.call('DEL', key) else out[i] = 0 end
end
return out
