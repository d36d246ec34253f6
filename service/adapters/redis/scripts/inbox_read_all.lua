-- Marks all entries, or all of some types, as read. KEYS inbox; ARGV now (ms), read at (ms), types; reply how many
local box, at, marked, wanted = KEYS[1], open(KEYS[1], ARGV[1]), 0, {}
for i = 3, #ARGV do wanted[ARGV[i]] = true end
purge(at)
for _, id in ipairs(redis.call('ZRANGE', box .. ':unread', 0, -1)) do
  local entry = redis.call('HGET', box, id)
  if entry and (#ARGV == 2 or wanted[select(4, parts(entry))]) then marked = marked + mark(at, id, ARGV[2]) end
end
finish(at)
return {marked}
