-- Removes deliveries from the due set, leased or not. Needs due_functions.lua.
-- KEYS     shards of the due set
-- ARGV     for each key: n, then n delivery ids
-- Returns  1 for each delivery
-- Atomic   the five keys of a shard change together
-- Slot     the shard's: all its keys have the same hash tag
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    remove(due, ARGV[a])
    a = a + 1
    out[#out + 1] = 1
  end
end
return out
