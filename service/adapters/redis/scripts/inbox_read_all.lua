-- Marks all entries, or all of some types, as read. KEYS inbox; ARGV now (ms), read at (ms), types; reply how many
local box, now, at, changes, marked = KEYS[1], ARGV[1], ARGV[2], {}, 0
local wanted = {}
for i = 3, #ARGV do wanted[ARGV[i]] = true end
purge(box, now, changes)
for _, id in ipairs(redis.call('ZRANGE', box .. ':unread', 0, -1)) do
  local _, _, _, kind = parts(redis.call('HGET', box, id))
  if #ARGV == 2 or wanted[kind] then marked = marked + mark(box, id, at, changes) end
end
finish(box, now, changes)
return {marked}
