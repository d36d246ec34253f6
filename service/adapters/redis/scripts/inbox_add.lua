-- Adds entries that were never in the inbox and have not expired. Needs inbox_functions.lua.
-- KEYS     inboxes
-- ARGV     now (ms), cap; then for each key: n, then n times: id, entry
-- Returns  for each entry 1 if added, 0 if it was there before or has expired
-- Atomic   entry, lists, counts and change stream change together, so the unread count is always the list's length
-- Slot     the recipient's: all keys of an inbox have the same hash tag
local cap = tonumber(ARGV[2])
local a, out = 3, {}

-- Returns whether to look for entries that have expired. That reads the whole inbox, so an addition does it once a day:
-- whatever reads an inbox does it first.
local function may_purge(inbox) return inbox.next and inbox.next + DAY <= inbox.now end

local function has_expired(inbox, entry)
  local expires = tonumber(string.match(entry, '^%-?%d+\t%d+\t(%d+)'))
  return expires and expires > 0 and expires <= inbox.now
end

local function was_dropped(inbox, id)
  local ends = redis.call('ZSCORE', inbox.box .. ':seen', id)
  return ends and tonumber(ends) > inbox.now
end

-- Drops the entries over the cap: the oldest read ones, then the oldest. First those that have expired, which must not
-- push another one out.
local function trim(inbox)
  local over = redis.call('HLEN', inbox.box) - cap
  if over > 0 or may_purge(inbox) then
    purge(inbox)
    over = redis.call('HLEN', inbox.box) - cap
  end
  if over <= 0 then return end
  local victims = redis.call('ZRANGE', inbox.box .. ':read', 0, over - 1)
  if #victims < over then
    local unread = redis.call('ZRANGE', inbox.box .. ':unread', 0, over - #victims - 1)
    for _, id in ipairs(unread) do victims[#victims + 1] = id end
  end
  drop_all(inbox, victims)
end

for _, box in ipairs(KEYS) do
  local n, inbox = tonumber(ARGV[a]), open(box, ARGV[1])
  a = a + 1
  local has_dropped = redis.call('EXISTS', box .. ':seen') == 1
  for _ = 1, n do
    local id, entry = ARGV[a], ARGV[a + 1]
    a = a + 2
    local refused = has_expired(inbox, entry) or has_dropped and was_dropped(inbox, id)
      or redis.call('HSETNX', box, id, entry) == 0
    if not refused then enter(inbox, id, entry) end
    out[#out + 1] = refused and 0 or 1
  end
  trim(inbox)
  finish(inbox)
end
return out
