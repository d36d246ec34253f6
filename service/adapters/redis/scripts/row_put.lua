-- Writes rows, except over a newer version or a newer tombstone. Needs row_functions.lua.
-- KEYS     rows
-- ARGV     for each key: version, JSON
-- Returns  for each key "" if a newer version is stored, else "+" and what was stored before
-- Atomic   the version check and the write are one step, so two writers cannot undo each other's newer row
-- Slot     all keys of one call are in one slot
local a, out = 1, {}

for _, key in ipairs(KEYS) do
  local version, row = tonumber(ARGV[a]), ARGV[a + 1]
  a = a + 2
  local old = redis.call('GET', key)
  if old and version_of(old) > version then
    out[#out + 1] = ''
  else
    redis.call('SET', key, row)
    out[#out + 1] = '+' .. (old or '')
  end
end
return out
