-- Reads an event: its head, and its deliveries, of a wide event those in some of its buckets. Needs ledger_functions.lua.
-- KEYS[1]  a shard
-- ARGV     head field, then the segment and the bucket to begin with, "" and 0 for the first, "-" for no deliveries
-- Returns  head or "", segment and bucket to continue with ("-" and 0: none is left), fields of other heads that begin alike,
--          whose rows may be among these, then DELIVERY8, row, DELIVERY8, row, …
-- Atomic   head and rows belong to one moment; a listing in several calls does not, but has all that was there before
-- Slot     the shard's: all buckets of a shard have the same hash tag
local ENOUGH = 400 -- values of a reply, after which the next call continues
local shard, head_field, from, place = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local hash = event_hash(head_field)
local first, head_bucket = find(shard, hash, head_field)
local out = {whole(head_bucket, head_field, first) or '', '-', 0, ''}
if from == '-' then return out end
local spread = first and spread_of(first) or 0
local begins, size = spread > 0 and head_field or sub(head_field, 1, 6), spread > 0 and WIDE_ROW or ROW

-- Appends the rows that are in a bucket.
local function collect(bucket)
  local flat, values = call('HGETALL', bucket), {}
  for i = 1, #flat, 2 do values[flat[i]] = flat[i + 1] end
  for field, value in pairs(values) do
    if #field == size and sub(field, 1, #begins) == begins then
      out[#out + 1] = sub(field, -8)
      out[#out + 1] = whole(bucket, field, value)
    elseif spread == 0 and #field == HEAD and sub(field, 1, 6) == begins and field ~= head_field then
      out[4] = out[4] .. field
    end
  end
end

-- The oldest segment first: new ones are put in front meanwhile.
local segments = segments_of(shard)
local at = #segments
for i, segment in ipairs(segments) do
  if segment.name == from then at = i end
end
for i = at, 1, -1 do
  local segment = segments[i]
  -- the places are those of the hashes, or, where these are more than the buckets, the buckets
  local places = math.min(2 ^ spread, segment.buckets)
  place = segment.name == from and place or 0
  while place < places do
    if #out >= ENOUGH then
      out[2], out[3] = segment.name, place
      return out
    end
    local number = places < segment.buckets and (hash + place * 2654435761) % 4294967296 or hash + place
    collect(segment.prefix .. number % segment.buckets)
    place = place + 1
  end
end
return out
