-- Adds entries that were never there. KEYS inboxes; ARGV now (ms), cap, then for each: n, and n times: id, entry
-- reply for each entry 1 if added, 0 if it was there before
local now, cap = ARGV[1], tonumber(ARGV[2])
local a, out = 3, {}
for _, box in ipairs(KEYS) do
  local n, changes = tonumber(ARGV[a]), {}
  a = a + 1
  local traces = redis.call('EXISTS', box .. ':seen') == 1
  for _ = 1, n do
    local id, entry = ARGV[a], ARGV[a + 1]
    a = a + 2
    local known = traces and redis.call('ZSCORE', box .. ':seen', id) or redis.call('HSETNX', box, id, entry) == 0
    if not known then enter(box, id, entry, changes) end
    out[#out + 1] = known and 0 or 1
  end
  purge(box, now, changes) -- first, so that what came too late pushes nothing out
  trim(box, cap, now, changes)
  finish(box, now, changes)
end
return out
