-- What the inbox scripts share. `box` is the hash of entries; keys.py names the others.
-- An entry is CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON: READ 0 means unread, EXPIRES 0 never.
local ENTRIES = {'', ':all', ':unread', ':read', ':counts', ':expires'}
local TRACES = {':seen', ':changes'}
local DAY = 86400000
local DROPPED, CHANGES = 2000, 1000 -- ids of gone entries, and changes, that are remembered a recipient

local function parts(entry) return string.match(entry, '^(%-?%d+)\t(%d+)\t(%d+)\t([^\n]*)\n(.*)$') end

local function count(box, kind, by)
  if redis.call('HINCRBY', box .. ':counts', kind, by) <= 0 then redis.call('HDEL', box .. ':counts', kind) end
end

local function note(changes, id, what) changes[#changes + 1] = {id, what} end

-- Lists and counts a new entry.
local function enter(box, id, entry, changes)
  local created, read, expires, kind = parts(entry)
  redis.call('ZADD', box .. ':all', created, id)
  if expires ~= '0' then redis.call('ZADD', box .. ':expires', expires, id) end
  if read == '0' then
    redis.call('ZADD', box .. ':unread', created, id)
    count(box, kind, 1)
  else
    redis.call('ZADD', box .. ':read', created, id)
  end
  note(changes, id, 'new')
end

-- Takes an entry out and remembers its id. True if it was there.
local function drop(box, id, now, changes)
  local entry = redis.call('HGET', box, id)
  if not entry then return false end
  local _, read, expires, kind = parts(entry)
  redis.call('HDEL', box, id)
  redis.call('ZREM', box .. ':all', id)
  if expires ~= '0' then redis.call('ZREM', box .. ':expires', id) end
  if read == '0' then
    redis.call('ZREM', box .. ':unread', id)
    count(box, kind, -1)
  else
    redis.call('ZREM', box .. ':read', id)
  end
  redis.call('ZADD', box .. ':seen', now, id)
  note(changes, id, 'removed')
  return true
end

-- Marks an entry as read. 1: now read, 0: was read before, -1: no such entry.
local function mark(box, id, at, changes)
  local entry = redis.call('HGET', box, id)
  if not entry then return -1 end
  local created, read, expires, kind, body = parts(entry)
  if read ~= '0' then return 0 end
  redis.call('HSET', box, id, table.concat({created, at, expires, kind .. '\n' .. body}, '\t'))
  redis.call('ZREM', box .. ':unread', id)
  redis.call('ZADD', box .. ':read', created, id)
  count(box, kind, -1)
  note(changes, id, 'read')
  return 1
end

local function drop_all(box, ids, now, changes)
  if #ids == 0 then return 0 end
  local found = 0
  for _, id in ipairs(ids) do
    if drop(box, id, now, changes) then found = found + 1 end
  end
  redis.call('ZREMRANGEBYRANK', box .. ':seen', 0, -DROPPED - 1)
  return found
end

local function purge(box, now, changes)
  drop_all(box, redis.call('ZRANGEBYSCORE', box .. ':expires', '-inf', now), now, changes)
end

-- Drops what is over the cap: the oldest that were read, then the oldest.
local function trim(box, cap, now, changes)
  local over = redis.call('ZCARD', box .. ':all') - cap
  if over <= 0 then return end
  local victims = redis.call('ZRANGE', box .. ':read', 0, over - 1)
  if #victims < over then
    for _, id in ipairs(redis.call('ZRANGE', box .. ':unread', 0, over - #victims - 1)) do victims[#victims + 1] = id end
  end
  drop_all(box, victims, now, changes)
end

-- One entry of the stream is one change: a new entry of the inbox, or up to 500 that were read or removed together.
local function publish(box, changes)
  local first = 1
  while first <= #changes do
    local what, fields = changes[first][2], {}
    local most = what == 'new' and 1 or 500
    while first <= #changes and changes[first][2] == what and #fields < 2 * most do
      fields[#fields + 1] = changes[first][1]
      fields[#fields + 1] = what
      first = first + 1
    end
    redis.call('XADD', box .. ':changes', 'MAXLEN', '~', CHANGES, '*', unpack(fields))
  end
end

-- Publishes the changes. Where all entries expire, so do their keys, a day after the last; what a replay must meet
-- and a listener may ask for stays a month.
local function finish(box, now, changes)
  if #changes == 0 then return end
  publish(box, changes)
  if redis.call('ZCARD', box .. ':all') == redis.call('ZCARD', box .. ':expires') then
    local last = redis.call('ZREVRANGE', box .. ':expires', 0, 0, 'WITHSCORES')[2] or now
    local left = math.max(0, tonumber(last) - tonumber(now)) + DAY
    for _, part in ipairs(ENTRIES) do redis.call('PEXPIRE', box .. part, string.format('%.0f', left)) end
    for _, part in ipairs(TRACES) do redis.call('PEXPIRE', box .. part, string.format('%.0f', left + 30 * DAY)) end
  elseif redis.call('PTTL', box .. ':changes') >= 0 or redis.call('PTTL', box) >= 0 then
    for _, part in ipairs(ENTRIES) do redis.call('PERSIST', box .. part) end
    for _, part in ipairs(TRACES) do redis.call('PERSIST', box .. part) end
  end
end
