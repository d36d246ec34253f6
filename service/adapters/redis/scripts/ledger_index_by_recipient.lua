-- Adds deliveries to the ledger's index by recipient; a delivery keeps the time it was first added with.
-- KEYS     indexes of recipients
-- ARGV     most pages of older deliveries, time to keep an index (s), remaining time below which it is extended (s); then
--          for each key: n, then n times: time (ms), KEY12 DELIVERY8
-- Returns  1 for each delivery
-- Atomic   the index is trimmed and its expiry set in the same step, so it is never unbounded or without an expiry
-- Slot     all keys of one call are in one slot
--
-- The newest 128 are a sorted set, which a server keeps without pointers as long as it never has more. Before there would
-- be more, the oldest 64 become one page: an element of a list, 64 times TIME6 KEY12 DELIVERY8. A page is dropped once the
-- newest delivery is so much newer than all of it as an index is kept.
local pages, keep, least = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local a, out = 4, {}

local function page_of(popped)
  local parts = {}
  for i = 1, #popped, 2 do
    local time = tonumber(popped[i + 1])
    parts[#parts + 1] = struct.pack('>I2I4', math.floor(time / 4294967296), time % 4294967296) .. popped[i]
  end
  return table.concat(parts)
end

-- Returns the time of the newest delivery in a page.
local function time_of(page)
  local high, low = struct.unpack('>I2I4', page, #page - 25)
  return high * 4294967296 + low
end

-- A worker's clock may be at most an hour ahead of this server's: one that is years ahead would drop every page.
local function drop_old_pages(index, older)
  local newest_ms = tonumber(redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2])
  local latest_ms = (tonumber(redis.call('TIME')[1]) + 3600) * 1000
  local least_ms = math.min(newest_ms, latest_ms) - keep * 1000
  while true do
    local page = redis.call('LINDEX', older, 0)
    if not page or time_of(page) >= least_ms then return end
    redis.call('LPOP', older)
  end
end

for _, index in ipairs(KEYS) do
  local n, older, has_new_page = tonumber(ARGV[a]), index .. ':older', false
  for first = 1, n, 64 do
    local last = math.min(n, first + 63)
    if redis.call('ZCARD', index) + last - first >= 128 then
      redis.call('RPUSH', older, page_of(redis.call('ZPOPMIN', index, 64)))
      redis.call('LTRIM', older, -pages, -1)
      has_new_page = true
      if redis.call('TTL', older) < least then redis.call('EXPIRE', older, keep) end
    end
    redis.call('ZADD', index, 'NX', unpack(ARGV, a + 2 * first - 1, a + 2 * last))
  end
  a = a + 1 + 2 * n
  if has_new_page then drop_old_pages(index, older) end
  for _ = 1, n do out[#out + 1] = 1 end
  if redis.call('TTL', index) < least then
    redis.call('EXPIRE', index, keep)
    redis.call('EXPIRE', older, keep)
  end
end
return out
