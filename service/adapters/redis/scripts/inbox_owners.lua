-- Notes whose entries these are. KEYS owner keys; ARGV how long to keep them (s), then each recipient; reply 1 for each
local out = {}
for i, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1])
  out[i] = 1
end
return out
