-- Takes entries out. KEYS inbox; ARGV now (ms), ids; reply how many were there
local box, now, changes = KEYS[1], ARGV[1], {}
purge(box, now, changes)
local found = drop_all(box, {unpack(ARGV, 2)}, now, changes)
finish(box, now, changes)
return {found}
