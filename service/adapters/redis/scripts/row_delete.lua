-- Deletes a row, unless a newer version is stored, and leaves a tombstone so that no older record brings it back.
-- Needs row_functions.lua.
-- KEYS[1]  a row
-- ARGV     version, time to keep the tombstone (s)
-- Returns  {""} if a newer version is stored, else {"+" and what was stored before}
-- Atomic   the version check and the deletion are one step, so a newer row written meanwhile is not deleted
-- Slot     one key
local old = redis.call('GET', KEYS[1])
if old and version_of(old) > tonumber(ARGV[1]) then return {''} end
redis.call('SET', KEYS[1], '-' .. ARGV[1], 'EX', ARGV[2])
return {'+' .. (old or '')}
