-- Puts items into the open windows of recipients, and opens those that are not there. Needs digest_functions.lua.
-- KEYS     digests of recipients
-- ARGV     for each key: n, then n times: item (20 bytes), delivery, window key, then of the digest that the item opens
--          if no window is open: its id, when it is opened (ms), when it is due (ms)
-- Returns  for each item the digest that it is in, when that was opened, when it is due
-- Atomic   a worker that seals a window sees the item in it, or the item opens another window
-- Slot     the recipient's: all its keys have the same hash tag
local MOST_ITEMS, MOST_BYTES = 1000, 1048576
local a, out = 1, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local id, delivery, name = ARGV[a], ARGV[a + 1], ARGV[a + 2]
    local digest = redis.call('HGET', key .. ':items', id)
    local window = read_window(key, digest)
    if not window then
      digest = redis.call('HGET', key .. ':open', name)
      window = read_window(key, digest)
      if
        not window
        or redis.call('LLEN', key .. ':' .. digest) >= MOST_ITEMS
        or window.bytes + #delivery > MOST_BYTES
      then
        local due = window and window.due or ARGV[a + 5]
        digest = ARGV[a + 3]
        window = { opened = ARGV[a + 4], due = due, sealed = '0', bytes = 0, name = name }
        redis.call('HSET', key .. ':open', name, digest)
      end
      append(key, digest, window, id, delivery)
    end
    out[#out + 1] = { digest, window.opened, window.due }
    a = a + 6
  end
end
return out
