-- Takes what names a person out of deliveries: the recipient, and the details, where relays quote addresses.
-- KEYS event; ARGV what stands for the recipient, deliveries; reply how many were there
local sharded, found = redis.call('HGET', KEYS[1], '@w') == '1', 0
for i = 2, #ARGV do
  local hash = sharded and KEYS[1] .. ':' .. string.sub(ARGV[i], 1, 2) or KEYS[1]
  local row = redis.call('HGET', hash, ARGV[i])
  if row then
    local lines = {}
    for line in string.gmatch(row, '[^\n]+') do lines[#lines + 1] = line end
    for n = 1, #lines - 1 do lines[n] = string.match(lines[n], '^.*\t') end
    lines[#lines] = ARGV[1] .. string.match(lines[#lines], '\t.*$')
    redis.call('HSET', hash, ARGV[i], table.concat(lines, '\n'))
    found = found + 1
  end
end
return {found}
