-- Goes before a script that must not write into a Redis that has lost its data. KEYS[1] is the mark of that slot.
if redis.call('GET', KEYS[1]) ~= 'yes' then return redis.error_reply('INCOMPLETE the mark is not there') end
table.remove(KEYS, 1)
