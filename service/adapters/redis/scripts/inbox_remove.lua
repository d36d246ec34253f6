-- Takes entries out. KEYS inbox; ARGV now (ms), ids; reply how many were there
local at = open(KEYS[1], ARGV[1])
purge(at)
local found = drop_all(at, {unpack(ARGV, 2)})
finish(at)
return {found}
