-- Functions that the scripts of inboxes share; it is joined in front of them.
--
-- An entry is CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON (ms): READ 0 means unread, EXPIRES 0 never.
-- The counts hold two times beside the types: `@next`, before which no entry expires, and `@last`, a day after which
-- all of them have expired, 0 if an entry never expires. With them an addition need not read the other entries.
--
-- A script calls `open`, changes the inbox, and ends with `finish`.
local DAY = 86400000
local DROPPED, CHANGES = 2000, '1000' -- ids of dropped entries, and changes, that are kept per recipient
local ENDLESS = 90 * DAY -- for which the id of a dropped entry is kept that never expires

-- A caller's clock may be at most an hour ahead of this server's (ms): one that is years ahead would find every entry
-- expired, and drop it for ever. Read once a script, which may change a hundred inboxes.
local LATEST = (tonumber(redis.call('TIME')[1]) + 3600) * 1000

-- Returns the state of one script run over an inbox.
local function open(box, now)
  local counts = box .. ':counts'
  local times = redis.call('HMGET', counts, '@next', '@last')
  local next, last = tonumber(times[1]), tonumber(times[2])
  return {
    box = box, counts = counts, now = math.min(tonumber(now), LATEST), changes = {}, new_keys = {},
    next = next, last = last, was_next = next, was_last = last,
  }
end

-- Returns created, read, expires and type of an entry, as strings. One that cannot be read has no type, and counts as
-- unread and without an expiry: an error here would make the whole inbox unusable.
local function parse(entry)
  local created, read, expires, type_ = string.match(entry, '^(%-?%d+)\t(%d+)\t(%d+)\t([^\n]+)')
  if not created then return '0', '0', '0', '' end
  return created, read, expires, type_
end

local function integer(number) return string.format('%.0f', number) end

local function record_change(inbox, id, kind) inbox.changes[#inbox.changes + 1] = {id, kind} end

-- Changes the unread count of a type and returns it.
local function count(inbox, type_, by)
  local left = redis.call('HINCRBY', inbox.counts, type_, by)
  if left <= 0 then redis.call('HDEL', inbox.counts, type_) end
  return left
end

-- Adds an id to a list. `may_be_new`: the list may have been empty, so its key may be a new one without an expiry.
local function add_to_list(inbox, name, created, id, may_be_new)
  redis.call('ZADD', inbox.box .. name, created, id)
  if may_be_new then inbox.new_keys[name] = true end
end

-- Lists and counts a new entry.
local function enter(inbox, id, entry)
  local created, read, expires, type_ = parse(entry)
  if read == '0' then
    add_to_list(inbox, ':unread', created, id, count(inbox, type_, '1') == 1)
  else
    add_to_list(inbox, ':read', created, id, true)
  end
  local ends = tonumber(expires)
  if ends == 0 then
    inbox.last = 0
  else
    inbox.next = math.min(inbox.next or ends, ends)
    if inbox.last ~= 0 then inbox.last = math.max(inbox.last or 0, math.ceil(ends / DAY) * DAY) end
  end
  record_change(inbox, id, 'new')
end

-- Drops an entry. Its id is kept until the entry would have expired, so that no replay adds it again: after that, an
-- addition is refused. Returns true if it was there.
local function drop(inbox, id)
  local entry = redis.call('HGET', inbox.box, id)
  if not entry then return false end
  local _, read, expires, type_ = parse(entry)
  local ends = tonumber(expires)
  redis.call('HDEL', inbox.box, id)
  if read == '0' then
    redis.call('ZREM', inbox.box .. ':unread', id)
    count(inbox, type_, '-1')
  else
    redis.call('ZREM', inbox.box .. ':read', id)
  end
  if ends == 0 then ends = inbox.now + ENDLESS end
  if ends > inbox.now then
    redis.call('ZADD', inbox.box .. ':seen', ends, id)
    inbox.seen_until = math.max(inbox.seen_until or 0, ends)
  end
  record_change(inbox, id, 'removed')
  return true
end

-- Drops entries and returns how many were there.
local function drop_all(inbox, ids)
  local dropped = 0
  for _, id in ipairs(ids) do
    if drop(inbox, id) then dropped = dropped + 1 end
  end
  if dropped > 0 then
    if inbox.seen_until then
      redis.call('ZREMRANGEBYSCORE', inbox.box .. ':seen', '-inf', integer(inbox.now))
      redis.call('ZREMRANGEBYRANK', inbox.box .. ':seen', 0, -DROPPED - 1)
    end
    if redis.call('EXISTS', inbox.box) == 0 then inbox.next, inbox.last = nil, nil end
  end
  return dropped
end

-- Marks an entry as read. Returns 1: now read, 0: read before, -1: no such entry.
local function mark_read(inbox, id, time)
  local entry = redis.call('HGET', inbox.box, id)
  if not entry then return -1 end
  local created, read, _, type_ = parse(entry)
  if read ~= '0' then return 0 end
  redis.call('HSET', inbox.box, id, (string.gsub(entry, '\t0\t', '\t' .. time .. '\t', 1)))
  redis.call('ZREM', inbox.box .. ':unread', id)
  add_to_list(inbox, ':read', created, id, true)
  count(inbox, type_, '-1')
  record_change(inbox, id, 'read')
  return 1
end

-- Drops the entries that have expired.
local function purge(inbox)
  if not inbox.next or inbox.next > inbox.now then return end
  local entries, expired, next = redis.call('HGETALL', inbox.box), {}, nil
  for i = 1, #entries, 2 do
    local ends = tonumber((select(3, parse(entries[i + 1]))))
    if ends > 0 and ends <= inbox.now then
      expired[#expired + 1] = entries[i]
    elseif ends > 0 then
      next = math.min(next or ends, ends)
    end
  end
  inbox.next = next -- before `drop_all`, which clears both times of an empty inbox
  drop_all(inbox, expired)
end

-- Appends the changes to the stream, which exists only while a client listens. One stream entry is one change: a new
-- entry of the inbox, or up to 500 that were read or removed together.
local function publish(inbox)
  local first, changes = 1, inbox.changes
  if #changes == 0 or redis.call('EXISTS', inbox.box .. ':changes') == 0 then return end
  while first <= #changes do
    local kind, fields = changes[first][2], {}
    local most = kind == 'new' and 1 or 500
    while first <= #changes and changes[first][2] == kind and #fields < 2 * most do
      fields[#fields + 1] = changes[first][1]
      fields[#fields + 1] = kind
      first = first + 1
    end
    redis.call('XADD', inbox.box .. ':changes', 'MAXLEN', '~', CHANGES, '*', unpack(fields))
  end
end

-- Sets the expiry of one of the inbox's keys.
local function set_expiry(inbox, name)
  if inbox.last == 0 then
    redis.call('PERSIST', inbox.box .. name)
  else
    redis.call('PEXPIRE', inbox.box .. name, integer(math.max(0, (inbox.last or inbox.now) - inbox.now) + DAY))
  end
end

-- Stores `@next` or `@last` if it has changed.
local function store_time(inbox, name, time, was)
  if time and time ~= was then
    redis.call('HSET', inbox.counts, name, integer(time))
  elseif was and not time then
    redis.call('HDEL', inbox.counts, name)
  end
end

-- Publishes the changes, stores the times, and lets the keys expire a day after the last entry if all entries do.
local function finish(inbox)
  if #inbox.changes == 0 and inbox.next == inbox.was_next then return end
  publish(inbox)
  store_time(inbox, '@next', inbox.next, inbox.was_next)
  store_time(inbox, '@last', inbox.last, inbox.was_last)
  -- last, because only a key that exists can get an expiry
  if inbox.seen_until then
    local left, seen = inbox.seen_until - inbox.now + DAY, inbox.box .. ':seen'
    if redis.call('PTTL', seen) < left then redis.call('PEXPIRE', seen, integer(left)) end
  end
  if inbox.last ~= inbox.was_last then
    for _, name in ipairs({'', ':unread', ':read', ':counts'}) do set_expiry(inbox, name) end
  elseif inbox.last ~= 0 then -- a key that was created now has no expiry yet
    for name in pairs(inbox.new_keys) do set_expiry(inbox, name) end
  end
end
