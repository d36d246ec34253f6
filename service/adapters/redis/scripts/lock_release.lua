-- Releases locks, unless they have expired and another writer holds them now.
-- KEYS     locks
-- ARGV     for each key the token of its holder
-- Returns  for each key 1 if released, 0 if another writer holds it
-- Atomic   the token check and the deletion are one step, so another writer's lock is never deleted
-- Slot     all keys of one call are in one slot
local out = {}
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[i] then out[i] = redis.call('DEL', key) else out[i] = 0 end
end
return out
