-- Counts mails of recipients within their limits of an hour and a day, or says when there will be room.
-- KEYS     counts of recipients
-- ARGV     now (ms), 1 to count the mails or 0 only to look; for each key: n, then n times: delivery, type, number of its lane, most mails an hour, a day, of
--          its type an hour, a day (0: no limit), 1 if it is never held
-- Returns  for each delivery 0 if it may be sent now, else when there will be room (ms)
-- Atomic   two workers that count at once must not both take the last room
-- Slot     the recipient's: all its keys have the same hash tag
-- A scope is all mails of a recipient, or those of one type. Its counted mails are a sorted set by time; `:waiting` has
-- those that wait for room by lane and arrival, and `:times` when each of them is to come again. A mail waits in one
-- scope at a time, the one whose room comes last, so that it keeps no room of the other.
local HOUR, DAY = 3600000, 86400000
local KEEP = 90000 -- seconds; longer than any count matters
local AHEAD = 600000 -- by how much the clocks of workers may differ
local LATE = 3600000 -- one that has not come again for so long blocks no other
local MARGIN = 1000 -- by how much a mail is later than its time, at most, while workers keep up
local LANE = 10000000000000 -- more than any time

-- Returns the newest time that the scopes have, if it is later than now. Times that only a wrong clock can have become
-- now: until then, all other mails would be counted as if they were sent at that time.
local function newest_ms(scopes, now)
  local newest = now
  for _, scope in ipairs(scopes) do
    local last = tonumber(redis.call('ZREVRANGE', scope.key, 0, 0, 'WITHSCORES')[2] or 0)
    if last > now + AHEAD then
      for _, id in ipairs(redis.call('ZRANGEBYSCORE', scope.key, '(' .. now, '+inf')) do
        redis.call('ZADD', scope.key, now, id)
      end
    elseif last > newest then
      newest = last
    end
  end
  return newest
end

-- Forgets what matters no more: counted mails of the longest window, and mails that did not come again.
local function clean(scope, now)
  redis.call('ZREMRANGEBYSCORE', scope.key, '-inf', now - (scope.day > 0 and DAY or HOUR))
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', scope.key .. ':times', '-inf', now - LATE, 'LIMIT', 0, 100)) do
    redis.call('ZREM', scope.key .. ':times', id)
    redis.call('ZREM', scope.key .. ':waiting', id)
  end
end

-- Returns when the mail counted at a place of a window was sent; the oldest is at 0.
local function counted_ms(key, from, place)
  return tonumber(redis.call('ZRANGEBYSCORE', key, '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', place, 1)[2])
end

-- Returns when there is room in an hour for a mail behind `ahead` others; 0 for now. Each of them takes the room of the
-- mail `limit` places before it, which is counted already or is one of them.
local function room_in_hour(key, limit, now, ahead)
  local counted = redis.call('ZCOUNT', key, '(' .. (now - HOUR), '+inf')
  local place, rounds = counted + ahead - limit, 0
  if place < 0 then return 0 end
  if place >= counted then
    rounds = math.floor((place - counted) / limit) + 1
    place = place - rounds * limit
  end
  if place < 0 then return now + rounds * (HOUR + MARGIN) end
  return counted_ms(key, now - HOUR, place) + (rounds + 1) * HOUR + rounds * MARGIN
end

-- Returns when a scope has room for a mail behind `ahead` others; 0 for now.
local function room(key, hour, day, now, ahead)
  local at = hour > 0 and room_in_hour(key, hour, now, ahead) or 0
  if day == 0 then return at end
  local counted = redis.call('ZCOUNT', key, '(' .. (now - DAY), '+inf')
  local place = counted + ahead - day
  if place < 0 then return at end
  if place < counted then return math.max(at, counted_ms(key, now - DAY, place) + DAY) end
  local rounds = math.floor((place - counted) / day)
  local first = math.max(now, room(key, hour, day, now, place - counted - rounds * day))
  return math.max(at, first + (rounds + 1) * (DAY + MARGIN))
end

-- Returns the place in the order of those that wait: the one it has, or the last of its lane.
local function order_of(scopes, id, lane, now)
  local first, order = lane * LANE, lane * LANE + now
  for _, scope in ipairs(scopes) do
    local own = redis.call('ZSCORE', scope.key .. ':waiting', id)
    if own then return tonumber(own), true end
    local last = redis.call('ZREVRANGEBYSCORE', scope.key .. ':waiting', first + LANE - 1, first, 'WITHSCORES', 'LIMIT', 0, 1)
    order = math.max(order, tonumber(last[2] or 0) + 1)
  end
  return order, false
end

-- Returns when a scope has room for a mail, which keeps the room of its earlier attempt; 0 for now.
local function room_for(scope, id, order, now)
  local own = tonumber(redis.call('ZSCORE', scope.key, id)) or -math.huge
  if own > now - HOUR then return 0 end
  local ahead = redis.call('ZCOUNT', scope.key .. ':waiting', '-inf', '(' .. string.format('%.0f', order))
  return room(scope.key, scope.hour, own > now - DAY and 0 or scope.day, now, ahead)
end

local function expire(key)
  redis.call('EXPIRE', key, KEEP)
end

local function take(scopes, id, lane, exempt, clock, counts)
  local now = newest_ms(scopes, clock)
  for _, scope in ipairs(scopes) do clean(scope, now) end
  local order, waits = order_of(scopes, id, lane, now)
  local at, last = 0, nil
  for _, scope in ipairs(exempt and {} or scopes) do
    local scope_at = room_for(scope, id, order, now)
    if scope_at > at then at, last = scope_at, scope end
  end
  if not counts then return at end
  for _, scope in ipairs(scopes) do
    if at == 0 then
      redis.call('ZADD', scope.key, now, id)
      expire(scope.key)
    end
    if scope == last then
      redis.call('ZADD', scope.key .. ':waiting', string.format('%.0f', order), id)
      redis.call('ZADD', scope.key .. ':times', at, id)
      expire(scope.key .. ':waiting')
      expire(scope.key .. ':times')
    elseif waits then
      redis.call('ZREM', scope.key .. ':waiting', id)
      redis.call('ZREM', scope.key .. ':times', id)
    end
  end
  return at
end

local counts = ARGV[2] == '1'
local a, out = 3, {}
for _, key in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local limits, scopes = {}, {}
    for i = 1, 4 do limits[i] = tonumber(ARGV[a + 2 + i]) end
    if limits[1] + limits[2] > 0 then scopes[1] = { key = key, hour = limits[1], day = limits[2] } end
    if limits[3] + limits[4] > 0 then
      scopes[#scopes + 1] = { key = key .. ':type:' .. ARGV[a + 1], hour = limits[3], day = limits[4] }
      if counts then
        redis.call('SADD', key .. ':types', ARGV[a + 1])
        expire(key .. ':types')
      end
    end
    out[#out + 1] = take(scopes, ARGV[a], tonumber(ARGV[a + 2]), ARGV[a + 7] == '1', tonumber(ARGV[1]), counts)
    a = a + 8
  end
end
return out
