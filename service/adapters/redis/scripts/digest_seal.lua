-- Closes the windows of digests for further items. Needs digest_functions.lua.
-- KEYS     digests of recipients
-- ARGV     for each key: n, then n digests
-- Returns  for each digest when it was opened and its items, each with its id in front; nothing for one without a window
-- Atomic   an item is in the list that is returned, or it is put into another window
-- Slot     the recipient's: all its keys have the same hash tag
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  for i = 1, n do
    local digest, content = ARGV[a + i], {}
    local window = read_window(key, digest)
    if window then
      seal(key, digest, window)
      content = redis.call('LRANGE', key .. ':' .. digest, 0, -1)
      table.insert(content, 1, window.opened)
    end
    out[#out + 1] = content
  end
  a = a + 1 + n
end
return out
