-- Lists the keys of the events with an id. Needs ledger_functions.lua.
-- KEYS[1]  a shard
-- ARGV     the first five bytes of the keys of these events after the shard's, then the most to list
-- Returns  head fields of events that have come
-- Atomic   not needed: one read a segment
-- Slot     the shard's
local begins, most, out = ARGV[1], tonumber(ARGV[2]), {}
for _, segment in ipairs(segments_of(KEYS[1])) do
  local flat = call('HGETALL', segment.prefix .. event_hash(begins) % segment.buckets)
  for i = 1, #flat, 2 do
    local field = flat[i]
    if #field == HEAD and sub(field, 1, 4) == sub(begins, 1, 4) and sub(field, 7, 7) == sub(begins, 5, 5)
      and has(flat[i + 1], KNOWN) and #out < most then
      out[#out + 1] = field
    end
  end
end
return out
