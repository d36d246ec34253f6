-- Removes deliveries from the due set, leased or not. Needs due_functions.lua.
-- KEYS     shards of the due set
-- ARGV     for each key: n, then n delivery ids
-- Returns  for each delivery that was held when it was due at first (ms), a space and the delivery; else an empty text
-- Atomic   the five keys of a shard change together
-- Slot     the shard's: all its keys have the same hash tag
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id = ARGV[a]
    a = a + 1
    local score, delivery = redis.call('ZSCORE', due, id), redis.call('HGET', due .. ':deliveries', id)
    local due_ms = score and first_due(due, id, score)
    local was_held = string.find(remove(due, id), ':held', 1, true)
    out[#out + 1] = was_held and score and delivery and due_ms .. ' ' .. delivery or ''
  end
end
return out
