-- Entries in the order of their creation; those of "all" come as two such lists, of unread and of read ones.
-- KEYS inbox
-- ARGV  now (ms), which ("unread", "read", "all"), "1" for the newest first, limit a list (0: all), created_ms and id
--       of the entry before the page or "" and "", types or nothing
-- reply id, entry, id, entry, …
local box, newest_first, limit = KEYS[1], ARGV[3] == '1', tonumber(ARGV[4])
local after, after_id = tonumber(ARGV[5]), ARGV[6]
local out, wanted = {}, {}
for i = 7, #ARGV do wanted[ARGV[i]] = true end
local at = open(box, ARGV[1])
purge(at)
finish(at)

-- The order of a sorted set among equal scores: by bytes, whatever the server's locale.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function passed(id, created)
  if created ~= after then return false end
  return id == after_id or before(id, after_id) ~= newest_first
end

local function collect(key)
  local rank, taken = 0, 0
  if after then
    rank = newest_first and redis.call('ZCOUNT', key, '(' .. ARGV[5], '+inf')
      or redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[5])
  end
  while true do
    local found = redis.call(newest_first and 'ZREVRANGE' or 'ZRANGE', key, rank, rank + 99, 'WITHSCORES')
    for i = 1, #found, 2 do
      local id = found[i]
      local entry = not passed(id, tonumber(found[i + 1])) and redis.call('HGET', box, id)
      if entry and (#ARGV == 6 or wanted[select(4, parts(entry))]) then
        out[#out + 1] = id
        out[#out + 1] = entry
        taken = taken + 1
        if taken == limit then return end
      end
    end
    if #found < 200 then return end
    rank = rank + 100
  end
end

if ARGV[2] ~= 'read' then collect(box .. ':unread') end
if ARGV[2] ~= 'unread' then collect(box .. ':read') end
return out
