-- Puts items into a certain digest, for a rebuild. Needs digest_functions.lua.
-- KEYS[1]  a recipient's digests
-- ARGV     digest, when it was opened (ms), when it is due (ms; 0: it is sealed), window key, then items: id, delivery
-- Returns  how many items were put
-- Atomic   an item leaves the digest that it was in and is in the new one in one step
-- Slot     the recipient's: all its keys have the same hash tag
local key, digest, due, name = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local window = read_window(key, digest)
local put = 0
if not window then
  window = { opened = ARGV[2], due = due, sealed = '0', bytes = 0, name = name }
  local open = redis.call('HGET', key .. ':open', name)
  if due == '0' or read_window(key, open) then
    window.sealed = '1'
  else
    redis.call('HSET', key .. ':open', name, digest)
  end
elseif due == '0' then
  seal(key, digest, window)
else
  window.due = due
end
write_window(key, digest, window)
keep(key, digest, window)
for i = 5, #ARGV, 2 do
  local id, other = ARGV[i], redis.call('HGET', key .. ':items', ARGV[i])
  if other ~= digest then
    if other then
      for _, row in ipairs(redis.call('LRANGE', key .. ':' .. other, 0, -1)) do
        if string.sub(row, 1, 20) == id then redis.call('LREM', key .. ':' .. other, 1, row) end
      end
    end
    append(key, digest, window, id, ARGV[i + 1])
    put = put + 1
  end
end
return put
