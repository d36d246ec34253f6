-- Takes the turn for a task, or keeps it.
-- KEYS[1]  the turn
-- ARGV     owner, how long it has the turn (ms)
-- Returns  {1} if the owner has it, {0} if another one has
-- Atomic   the check of the owner and the expiry are one step, so two owners never both have the turn
-- Slot     the turn's
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return {0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1}
