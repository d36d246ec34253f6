-- Enters deliveries that are not there yet.
-- KEYS  the events
-- ARGV  the states from which `withdrawn` may follow, as ",queued,held,"; retention (s) of events without a head;
--       then for each event: head or "", "1" if sharded, retention (s), n, and n times: delivery, row
-- reply the state of each delivery now
local withdrawable, default_keep = ARGV[1], ARGV[2]
local a, out = 3, {}

local function keep_for(key, seconds)
  if redis.call('TTL', key) < tonumber(seconds) then redis.call('EXPIRE', key, seconds) end
end

for _, event in ipairs(KEYS) do
  local head, sharded, keep, n = ARGV[a], ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3])
  a = a + 4
  local had = redis.call('HMGET', event, '@', '@w', '@x')
  local fresh, new = not had[1] and not had[2], {} -- fields to be written at once: of a fresh event no row is there
  if not had[1] and head ~= '' then new = {'@', head} end
  if fresh then -- decided once: later calls follow what is stored
    if sharded == '1' or head == '' then new[#new + 1], new[#new + 2] = '@w', sharded end
  else
    sharded = had[2] or '0'
  end
  if head == '' then keep = had[1] and '0' or default_keep end
  local shards, entered = {}, {}
  for _ = 1, n do
    local delivery, row = ARGV[a], ARGV[a + 1]
    a = a + 2
    local hash = event
    if sharded == '1' then
      hash = event .. ':' .. string.sub(delivery, 1, 2)
      shards[hash] = true
    end
    local state = string.match(row, '^%a+')
    if had[3] and string.find(withdrawable, ',' .. state .. ',', 1, true) then
      local at, person = string.match(row, '^%a+\t[^\t]*\t(%-?%d+)[^\n]*\n(.*)$')
      state = 'withdrawn'
      row = 'withdrawn\twithdrawn_by_source\t' .. at .. '\t0\t\t\n' .. person
    end
    if fresh and sharded ~= '1' then
      if not entered[delivery] then
        entered[delivery], new[#new + 1], new[#new + 2] = state, delivery, row
      end
      state = entered[delivery]
    elseif redis.call('HSETNX', hash, delivery, row) == 0 then
      state = string.match(redis.call('HGET', hash, delivery), '^%a+')
    end
    out[#out + 1] = state
  end
  if #new > 0 then redis.call('HSET', event, unpack(new)) end
  if fresh and not had[3] then redis.call('EXPIRE', event, keep) else keep_for(event, keep) end
  for shard in pairs(shards) do keep_for(shard, redis.call('TTL', event)) end
end
return out
