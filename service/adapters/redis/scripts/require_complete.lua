-- Prefix of every script that must not read or write deliveries in a Redis that has lost its data.
-- KEYS[1]  the completeness mark of the slot; it is removed, so that the script sees its own keys from KEYS[1] on
-- Returns  the error INCOMPLETE when the mark is not `yes`, else nothing: the script follows
-- Atomic   the mark and the data are lost together, so a mark that is read in the same script vouches for the data
-- Slot     the mark's name has a hash tag of the slot of the script's first key
if redis.call('GET', KEYS[1]) ~= 'yes' then return redis.error_reply('INCOMPLETE the mark is not there') end
table.remove(KEYS, 1)
