-- Writes contacts, except over a newer version or a newer deletion.
-- Beside them stands their order, the main one first, for pages.
-- KEYS  accounts; ARGV for each: n, and n times: uuid, version, JSON; reply 1 if written, 0 where something newer stands
local a, out = 1, {}
for _, account in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    local uuid, version, row = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
    a = a + 3
    local old = redis.call('HGET', account, uuid)
    local stands = old and (cjson.decode(old).version or 0)
      or tonumber(redis.call('HGET', account .. ':gone', uuid) or version)
    if stands > version then
      out[#out + 1] = 0
    else
      redis.call('HSET', account, uuid, row)
      redis.call('ZADD', account .. ':order', cjson.decode(row).main and 0 or 1, uuid)
      redis.call('HDEL', account .. ':gone', uuid)
      out[#out + 1] = 1
    end
  end
end
return out
