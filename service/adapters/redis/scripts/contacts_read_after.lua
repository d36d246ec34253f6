-- Reads contacts of an account in order, after a place in it: the main contact first, then by uuid. Needs
-- row_functions.lua.
-- KEYS[1]  hash of an account's contacts
-- ARGV     the most contacts; score and uuid of the last one before, or nothing for the beginning
-- Returns  {score and uuid to continue after, or two empty strings; JSON of each contact, in the end of the main one again}
-- Atomic   order and rows belong to one moment
-- Slot     the account's: `:order` has the same hash tag
local account, order, limit = KEYS[1], order_of(KEYS[1]), tonumber(ARGV[1])
local start = 0
if ARGV[3] then
  local score = redis.call('ZSCORE', order, ARGV[3])
  if score and tonumber(score) == tonumber(ARGV[2]) then
    start = redis.call('ZRANK', order, ARGV[3]) + 1
  else
    -- The contact was deleted, or is no longer the main one: its place is where it would be.
    redis.call('ZADD', order, ARGV[2], ARGV[3])
    start = redis.call('ZRANK', order, ARGV[3])
    if score then redis.call('ZADD', order, score, ARGV[3]) else redis.call('ZREM', order, ARGV[3]) end
  end
end
local found = redis.call('ZRANGE', order, start, start + limit - 1, 'WITHSCORES')
local uuids, score, last = {}, '', ''
for i = 1, #found, 2 do uuids[#uuids + 1] = found[i] end
if start + limit < redis.call('ZCARD', order) then
  score, last = found[#found], uuids[#uuids]
elseif start > 0 then -- a contact that has become the main one meanwhile came neither before nor after
  for _, main in ipairs(redis.call('ZRANGEBYSCORE', order, 0, 0)) do uuids[#uuids + 1] = main end
end
local out = #uuids > 0 and redis.call('HMGET', account, unpack(uuids)) or {}
table.insert(out, 1, last)
table.insert(out, 1, score)
return out
