-- Functions that the scripts of table rows share; it is joined in front of them.

-- Returns a row as a table; an empty one for a row that cannot be read, which any other row may then replace.
local function decode(row)
  local read, decoded = pcall(cjson.decode, row)
  return read and type(decoded) == 'table' and decoded or {}
end

-- Returns the version of a row or of a tombstone.
local function version_of(row)
  if string.sub(row, 1, 1) == '-' then return tonumber(string.sub(row, 2)) or 0 end
  return tonumber(decode(row).version) or 0
end

-- Returns the rank of a contact among those of its account: the main one comes first.
local function rank_of(contact) return decode(contact).main == true and 0 or 1 end

-- Returns the sorted set with the uuids of an account's contacts, the main one first. Rows that were written before there
-- was an order have none, and a part of it may be lost: then it is made again.
local function order_of(account)
  local order = account .. ':order'
  if redis.call('ZCARD', order) ~= redis.call('HLEN', account) then
    redis.call('DEL', order)
    local rows = redis.call('HGETALL', account)
    for i = 1, #rows, 2 do redis.call('ZADD', order, rank_of(rows[i + 1]), rows[i]) end
  end
  return order
end
