-- Reads a page of entries in the order of their creation. Of "all" entries it reads two such pages, the unread and
-- the read ones, for the caller to merge. Needs inbox_functions.lua.
-- KEYS[1]  an inbox
-- ARGV     now (ms), filter ("unread", "read", "all"), "1" for the newest first, limit per list (0: no limit),
--          created_ms and id of the entry before the page or "" and "", then types or nothing
-- Returns  id, entry, id, entry, …
-- Atomic   list and entries belong to one moment, so an entry is not missed while it changes from unread to read
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local box, newest_first, limit = KEYS[1], ARGV[3] == '1', tonumber(ARGV[4])
local after, after_id = tonumber(ARGV[5]), ARGV[6]
local out, types = {}, {}
for i = 7, #ARGV do types[ARGV[i]] = true end
local inbox = open(box, ARGV[1])
purge(inbox)
finish(inbox)

-- Returns whether id `a` sorts before id `b` among equal scores: by bytes, independent of the server's locale.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Returns whether an entry was on an earlier page.
local function on_earlier_page(id, created)
  if created ~= after then return false end
  return id == after_id or before(id, after_id) ~= newest_first
end

-- Appends a page of one list to the reply, 100 ids a read.
local function collect(key)
  local rank, taken = 0, 0
  if after then
    rank = newest_first and redis.call('ZCOUNT', key, '(' .. ARGV[5], '+inf')
      or redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[5])
  end
  while true do
    local ids = redis.call(newest_first and 'ZREVRANGE' or 'ZRANGE', key, rank, rank + 99, 'WITHSCORES')
    for i = 1, #ids, 2 do
      local id = ids[i]
      local entry = not on_earlier_page(id, tonumber(ids[i + 1])) and redis.call('HGET', box, id)
      if entry and (#ARGV == 6 or types[select(4, parse(entry))]) then
        out[#out + 1] = id
        out[#out + 1] = entry
        taken = taken + 1
        if taken == limit then return end
      end
    end
    if #ids < 200 then return end
    rank = rank + 100
  end
end

if ARGV[2] ~= 'read' then collect(box .. ':unread') end
if ARGV[2] ~= 'unread' then collect(box .. ':read') end
return out
