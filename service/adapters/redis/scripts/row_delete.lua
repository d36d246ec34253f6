-- Deletes a row, unless it is newer, and leaves its version behind so that no older record brings it back.
-- KEYS row; ARGV version, how long to keep the mark (s); reply as row_put
local old = redis.call('GET', KEYS[1])
if old then
  local stands = string.sub(old, 1, 1) == '-' and tonumber(string.sub(old, 2)) or cjson.decode(old).version or 0
  if stands > tonumber(ARGV[1]) then return {''} end
end
redis.call('SET', KEYS[1], '-' .. ARGV[1], 'EX', ARGV[2])
return {'+' .. (old or '')}
