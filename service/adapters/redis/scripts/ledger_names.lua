-- Stores names under their codes, unless a code stands for another name already.
-- KEYS[1]  the names
-- ARGV     most names, then code, name, code, name, …
-- Returns  for each code the name that it stands for, false for one that has no room
-- Atomic   two processes that store one code at once agree on its name
-- Slot     one key
local room, out = tonumber(ARGV[1]) - redis.call('HLEN', KEYS[1]), {}
for i = 2, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  if not stored and room > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    stored, room = ARGV[i + 1], room - 1
  end
  out[#out + 1] = stored
end
return out
