-- What the inbox scripts share. An entry is CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON: READ 0 means unread, EXPIRES 0 never.
-- The counts hold two times beside the types: `@next`, before which nothing expires, and `@last`, a day after which
-- all has expired, 0 if something never does. So an addition need not look at what is there.
local DAY = 86400000
local DROPPED, CHANGES = 2000, '1000' -- ids of gone entries, and changes, that are remembered a recipient

-- An inbox as a script works on it; `finish` ends the work.
local function open(box, now)
  local counts = box .. ':counts'
  local times = redis.call('HMGET', counts, '@next', '@last')
  local next, last = tonumber(times[1]), tonumber(times[2])
  return {
    box = box, counts = counts, now = tonumber(now), changes = {}, born = {},
    next = next, last = last, was_next = next, was_last = last,
  }
end

local function parts(entry) return string.match(entry, '^(%-?%d+)\t(%d+)\t(%d+)\t([^\n]*)') end

local function whole(number) return string.format('%.0f', number) end

local function note(at, id, what) at.changes[#at.changes + 1] = {id, what} end

local function count(at, kind, by)
  local left = redis.call('HINCRBY', at.counts, kind, by)
  if left <= 0 then redis.call('HDEL', at.counts, kind) end
  return left
end

-- `new`: the list may have been empty before, so its key may be a new one.
local function list(at, name, created, id, new)
  redis.call('ZADD', at.box .. name, created, id)
  if new then at.born[name] = true end
end

-- Lists and counts a new entry.
local function enter(at, id, entry)
  local created, read, expires, kind = parts(entry)
  if read == '0' then
    list(at, ':unread', created, id, count(at, kind, '1') == 1)
  else
    list(at, ':read', created, id, true)
  end
  local ends = tonumber(expires)
  if ends == 0 then
    at.last = 0
  else
    at.next = math.min(at.next or ends, ends)
    if at.last ~= 0 then at.last = math.max(at.last or 0, math.ceil(ends / DAY) * DAY) end
  end
  note(at, id, 'new')
end

-- Takes an entry out and remembers its id. True if it was there.
local function drop(at, id)
  local entry = redis.call('HGET', at.box, id)
  if not entry then return false end
  local _, read, _, kind = parts(entry)
  redis.call('HDEL', at.box, id)
  if read == '0' then
    redis.call('ZREM', at.box .. ':unread', id)
    count(at, kind, '-1')
  else
    redis.call('ZREM', at.box .. ':read', id)
  end
  list(at, ':seen', at.now, id, true)
  note(at, id, 'removed')
  return true
end

local function drop_all(at, ids)
  local found = 0
  for _, id in ipairs(ids) do
    if drop(at, id) then found = found + 1 end
  end
  if found > 0 then
    redis.call('ZREMRANGEBYRANK', at.box .. ':seen', 0, -DROPPED - 1)
    if redis.call('EXISTS', at.box) == 0 then at.next, at.last = nil, nil end
  end
  return found
end

-- Marks an entry as read. 1: now read, 0: was read before, -1: no such entry.
local function mark(at, id, time)
  local entry = redis.call('HGET', at.box, id)
  if not entry then return -1 end
  local created, read, _, kind = parts(entry)
  if read ~= '0' then return 0 end
  redis.call('HSET', at.box, id, (string.gsub(entry, '\t0\t', '\t' .. time .. '\t', 1)))
  redis.call('ZREM', at.box .. ':unread', id)
  list(at, ':read', created, id, true)
  count(at, kind, '-1')
  note(at, id, 'read')
  return 1
end

-- Takes out what has expired.
local function purge(at)
  if not at.next or at.next > at.now then return end
  local entries, gone, next = redis.call('HGETALL', at.box), {}, nil
  for i = 1, #entries, 2 do
    local ends = tonumber((select(3, parts(entries[i + 1]))))
    if ends > 0 and ends <= at.now then
      gone[#gone + 1] = entries[i]
    elseif ends > 0 then
      next = math.min(next or ends, ends)
    end
  end
  at.next = next
  drop_all(at, gone)
end

-- One entry of the stream is one change: a new entry of the inbox, or up to 500 that were read or removed together.
local function publish(at)
  local first, changes = 1, at.changes
  while first <= #changes do
    local what, fields = changes[first][2], {}
    local most = what == 'new' and 1 or 500
    while first <= #changes and changes[first][2] == what and #fields < 2 * most do
      fields[#fields + 1] = changes[first][1]
      fields[#fields + 1] = what
      first = first + 1
    end
    redis.call('XADD', at.box .. ':changes', 'MAXLEN', '~', CHANGES, '*', unpack(fields))
  end
end

local function live(at, name)
  if at.last == 0 then
    redis.call('PERSIST', at.box .. name)
  else -- what a replay must meet, and a listener may ask for, stays a month longer
    local left = math.max(0, (at.last or at.now) - at.now) + DAY
    if name == ':seen' or name == ':changes' then left = left + 30 * DAY end
    redis.call('PEXPIRE', at.box .. name, whole(left))
  end
end

local function keep_time(at, name, time, was)
  if time and time ~= was then
    redis.call('HSET', at.counts, name, whole(time))
  elseif was and not time then
    redis.call('HDEL', at.counts, name)
  end
end

-- Publishes the changes, and lets the keys expire a day after the last entry if all entries do.
local function finish(at)
  if #at.changes == 0 and at.next == at.was_next then return end
  publish(at)
  keep_time(at, '@next', at.next, at.was_next)
  keep_time(at, '@last', at.last, at.was_last)
  if at.last ~= at.was_last then
    for _, name in ipairs({'', ':unread', ':read', ':counts', ':seen', ':changes'}) do live(at, name) end
  elseif at.last ~= 0 then -- a list that was empty is a new key
    for name in pairs(at.born) do live(at, name) end
  end
end
