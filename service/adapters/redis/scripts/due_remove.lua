-- Removes deliveries whose lease is still the caller's. Needs due_functions.lua.
-- KEYS     shards of the due set
-- ARGV     for each key: n, then n times: delivery id, token of the lease
-- Returns  for each delivery 1 if removed, 2 if it was held until then, 0 if it was stored again or leased to another worker
-- Atomic   the token check and the removal are one step, so a delivery that is stored again meanwhile stays
-- Slot     the shard's: all its keys have the same hash tag
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id, token = ARGV[a], ARGV[a + 1]
    a = a + 2
    if redis.call('HGET', due .. ':tokens', id) == token then
      out[#out + 1] = string.find(remove(due, id), ':held', 1, true) and 2 or 1
    else
      out[#out + 1] = 0
    end
  end
end
return out
