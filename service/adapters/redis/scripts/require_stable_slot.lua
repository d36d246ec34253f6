-- Prefix of every script on a cluster, so that none runs over a slot that is on its way to another server.
-- KEYS     the last is a key of the slot that never exists; it is removed, so that the script sees its own keys only
-- Returns  nothing: the script follows
-- Atomic   a server refuses a call of several keys with TRYAGAIN where the slot is moving and one of them is missing,
--          before anything of it has run; without, a script would fail at the first of its keys that has left, half done
-- Slot     the key's name begins with the script's first key
table.remove(KEYS)
