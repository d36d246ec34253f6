-- Writes rows, except over a newer version.
-- KEYS  rows; ARGV for each: version, JSON
-- reply for each "" where a newer version stands, else "+" and what stood there before
local a, out = 1, {}

local function version_of(row)
  if string.sub(row, 1, 1) == '-' then return tonumber(string.sub(row, 2)) end -- deleted
  return cjson.decode(row).version or 0
end

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
