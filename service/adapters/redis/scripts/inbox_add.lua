-- Adds entries that were never there. KEYS inboxes; ARGV now (ms), cap, then for each: n, and n times: id, entry
-- reply for each entry 1 if added, 0 if it was there before
local cap = tonumber(ARGV[2])
local a, out = 3, {}

-- Drops what is over the cap: the oldest that were read, then the oldest.
local function trim(at)
  local over = redis.call('HLEN', at.box) - cap
  if over <= 0 then return end
  local victims = redis.call('ZRANGE', at.box .. ':read', 0, over - 1)
  if #victims < over then
    for _, id in ipairs(redis.call('ZRANGE', at.box .. ':unread', 0, over - #victims - 1)) do victims[#victims + 1] = id end
  end
  drop_all(at, victims)
end

for _, box in ipairs(KEYS) do
  local n, at = tonumber(ARGV[a]), open(box, ARGV[1])
  a = a + 1
  local traces = redis.call('EXISTS', box .. ':seen') == 1
  for _ = 1, n do
    local id, entry = ARGV[a], ARGV[a + 1]
    a = a + 2
    local known = traces and redis.call('ZSCORE', box .. ':seen', id) or redis.call('HSETNX', box, id, entry) == 0
    if not known then enter(at, id, entry) end
    out[#out + 1] = known and 0 or 1
  end
  purge(at) -- first, so that what came too late pushes nothing out
  trim(at)
  finish(at)
end
return out
