-- Functions that the scripts of digests share; it is joined in front of them.
-- A recipient's digests are a hash: digest → "OPENED DUE SEALED BYTES WINDOW" (ms, SEALED 0 or 1). `:open` has the open
-- digest of each window key, `:items` the digest of each item, `:DIGEST` is the list of its items, id (20 bytes) and
-- delivery. All are kept for 10 days after the latest digest is due.
local KEEP = 864000000

local function read_window(key, digest)
  local row = digest and redis.call('HGET', key, digest)
  if not row then return nil end
  local opened, due, sealed, bytes, name = string.match(row, '^(%d+) (%d+) (%d) (%d+) (.*)$')
  return { opened = opened, due = due, sealed = sealed, bytes = tonumber(bytes), name = name }
end

local function write_window(key, digest, window)
  local row = { window.opened, window.due, window.sealed, string.format('%.0f', window.bytes), window.name }
  redis.call('HSET', key, digest, table.concat(row, ' '))
end

-- Closes a window for further items.
local function seal(key, digest, window)
  if redis.call('HGET', key .. ':open', window.name) == digest then redis.call('HDEL', key .. ':open', window.name) end
  window.sealed = '1'
  write_window(key, digest, window)
end

local function keep(key, digest, window)
  local keep_ms = KEEP + math.max(0, tonumber(window.due) - tonumber(window.opened))
  for _, name in ipairs({ key, key .. ':open', key .. ':items', key .. ':' .. digest }) do
    -- a window that is due earlier than another one changes nothing
    if redis.call('PTTL', name) < keep_ms - 3600000 then redis.call('PEXPIRE', name, string.format('%.0f', keep_ms)) end
  end
end

-- Puts an item into a window.
local function append(key, digest, window, id, delivery)
  local items = redis.call('RPUSH', key .. ':' .. digest, id .. delivery)
  redis.call('HSET', key .. ':items', id, digest)
  window.bytes = window.bytes + #delivery
  write_window(key, digest, window)
  if items == 1 then keep(key, digest, window) end -- the others find the times set
end
