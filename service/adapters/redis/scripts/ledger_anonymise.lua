-- Removes personal data from deliveries: the recipient, and the details, in which relays quote addresses.
-- KEYS[1]  an event's ledger
-- ARGV     pseudonym of the recipient, then delivery ids
-- Returns  how many of them were there
-- Atomic   a row is read and written back in one step, so a transition made meanwhile is not lost
-- Slot     the event's: the hashes of a sharded event have the same hash tag
local sharded, rewritten = redis.call('HGET', KEYS[1], '@w') == '1', 0
for i = 2, #ARGV do
  local hash = sharded and KEYS[1] .. ':' .. string.sub(ARGV[i], 1, 2) or KEYS[1]
  local row = redis.call('HGET', hash, ARGV[i])
  if row then
    local lines = {}
    for line in string.gmatch(row, '[^\n]+') do lines[#lines + 1] = line end
    for n = 1, #lines - 1 do lines[n] = string.match(lines[n], '^.*\t') end
    lines[#lines] = ARGV[1] .. string.match(lines[#lines], '\t.*$')
    redis.call('HSET', hash, ARGV[i], table.concat(lines, '\n'))
    redis.call('HDEL', hash, '@+' .. ARGV[i]) -- the steps that a rebuild has kept for it
    rewritten = rewritten + 1
  end
end
return {rewritten}
