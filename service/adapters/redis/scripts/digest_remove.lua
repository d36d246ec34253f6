-- Removes the windows of digests with their items. Needs digest_functions.lua.
-- KEYS     digests of recipients
-- ARGV     for each key: n, then n digests
-- Returns  1 for each digest
-- Atomic   an item must not be in a digest that is not there
-- Slot     the recipient's: all its keys have the same hash tag
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  for i = 1, n do
    local digest = ARGV[a + i]
    local window = read_window(key, digest)
    if window then seal(key, digest, window) end
    for _, row in ipairs(redis.call('LRANGE', key .. ':' .. digest, 0, -1)) do
      local id = string.sub(row, 1, 20)
      if redis.call('HGET', key .. ':items', id) == digest then redis.call('HDEL', key .. ':items', id) end
    end
    redis.call('DEL', key .. ':' .. digest)
    redis.call('HDEL', key, digest)
    out[#out + 1] = 1
  end
  a = a + 1 + n
end
return out
