-- Stores the recipient of each inbox entry.
-- KEYS     owner keys of entries
-- ARGV     time to keep them (s), then for each key the recipient
-- Returns  1 for each key
-- Atomic   not needed: a script only saves one command per entry
-- Slot     all keys of one call are in one slot
local out = {}
for i, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1])
  out[i] = 1
end
return out
