-- Enters deliveries that are not in the ledger yet, and stores the heads of new events.
-- KEYS     ledgers of events
-- ARGV     the states from which `withdrawn` may follow, as ",queued,held,"; retention (s) of events without a head;
--          then for each key: head or "", "1" if sharded, retention (s), n, then n times: delivery id, row
-- Returns  the current state of each delivery
-- Atomic   a delivery is entered once although workers repeat a batch, and a withdrawal stored meanwhile is seen
-- Slot     the event's: the hashes of a sharded event have the same hash tag
local withdrawable, default_keep = ARGV[1], ARGV[2]
local a, out = 3, {}

-- Extends the expiry of a key; never shortens it.
local function keep_for(key, seconds)
  if redis.call('TTL', key) < tonumber(seconds) then redis.call('EXPIRE', key, seconds) end
end

for _, event in ipairs(KEYS) do
  local head, sharded, keep, n = ARGV[a], ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3])
  a = a + 4
  local head_before, sharded_before, withdrawn = unpack(redis.call('HMGET', event, '@', '@w', '@x'))
  local is_new = not head_before and not sharded_before
  local new_fields = {} -- written in one HSET: a new event has no rows to compare with
  if not head_before and head ~= '' then new_fields = {'@', head} end
  if is_new then -- decided once: later calls follow what is stored, else rows would be looked for in the wrong hash
    if sharded == '1' or head == '' then new_fields[#new_fields + 1], new_fields[#new_fields + 2] = '@w', sharded end
  else
    sharded = sharded_before or '0'
  end
  if head == '' then keep = head_before and '0' or default_keep end
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
    if withdrawn and string.find(withdrawable, ',' .. state .. ',', 1, true) then
      local at, recipient_line = string.match(row, '^%a+\t[^\t]*\t(%-?%d+)[^\n]*\n(.*)$')
      state = 'withdrawn'
      row = 'withdrawn\twithdrawn_by_source\t' .. at .. '\t0\t\t\n' .. recipient_line
    end
    if is_new and sharded ~= '1' then
      if not entered[delivery] then
        entered[delivery], new_fields[#new_fields + 1], new_fields[#new_fields + 2] = state, delivery, row
      end
      state = entered[delivery]
    elseif redis.call('HSETNX', hash, delivery, row) == 0 then
      state = string.match(redis.call('HGET', hash, delivery), '^%a+')
    end
    out[#out + 1] = state
  end
  if #new_fields > 0 then redis.call('HSET', event, unpack(new_fields)) end
  -- after the writes, because only a key that exists can get an expiry
  if is_new and not withdrawn then redis.call('EXPIRE', event, keep) else keep_for(event, keep) end
  for shard in pairs(shards) do keep_for(shard, redis.call('TTL', event)) end
end
return out
