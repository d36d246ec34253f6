-- Reads deliveries by their ids. Needs ledger_functions.lua.
-- KEYS     shards
-- ARGV     for each key the number of its deliveries, and for each: field of a row beside its head, REST5 of the event's key
-- Returns  for each delivery its row or ""
-- Atomic   not needed: each row is one read
-- Slot     the shard's: all buckets of a shard have the same hash tag
local a, out = 1, {}
for _, shard in ipairs(KEYS) do
  local last = a + 2 * tonumber(ARGV[a])
  for i = a + 1, last, 2 do
    local field, head_field = ARGV[i], sub(ARGV[i], 1, 6) .. ARGV[i + 1]
    local hash, known, first, bucket = event_hash(field), heads[head_field], nil, nil
    if not (known and known.wide) then first, bucket = find(shard, hash, field) end
    if not first then
      known = head_of(shard, hash, head_field)
      if known.wide then
        field, hash = place_of(head_field, known.head, field)
        first, bucket = find_row(shard, known.head, known.home, hash, field)
      end
    end
    out[#out + 1] = first and whole(bucket, field, first) or ''
  end
  a = last + 1
end
return out
