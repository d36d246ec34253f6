-- Closes the windows of digests for further items. Needs digest_functions.lua.
-- KEYS     digests of recipients
-- ARGV     for each key: n, then n digests
-- Returns  for each digest the number of its items; 0 for one without a window
-- Atomic   an item is among those that are counted, or it is put into another window
-- Slot     the recipient's: all its keys have the same hash tag
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  for i = 1, n do
    local digest = ARGV[a + i]
    local window = read_window(key, digest)
    if window then seal(key, digest, window) end
    out[#out + 1] = window and redis.call('LLEN', key .. ':' .. digest) or 0
  end
  a = a + 1 + n
end
return out
