-- Functions that the scripts of the ledger share; it is joined in front of them.
--
-- The ledger is 64 shards; the first byte of an event's key is its shard. A shard has segments, each for what may go at
-- one hour. A segment has up to 4^DEPTH buckets: hashes of some 100 small fields, so that they keep the encoding without
-- pointers. Buckets expire whole.
--   SHARD                         its segments, the newest first, with a blank after each: ENDS.SPAN.DEPTH
--   SHARD:ENDS.SPAN.DEPTH:N       bucket N of a segment that ends at the hour ENDS (since 1970)
-- Segments of one SPAN end every 2^SPAN hours; an event goes into the least SPAN of which that is a quarter of its
-- retention. Where the buckets of a segment are full, another one follows it that ends at the same time and has four
-- times as many, or 16 times where a wide event has filled them. The first segment of the next period begins with as
-- many as the last one needed.
--
-- An event's bucket is chosen by four bytes of its key after the first. The fields of a bucket, by their length:
--   11  head of an event        KEY6 REST5
--   14  row of a delivery       KEY6 DELIVERY8        in the bucket of its event
--   19  row of a wide event     KEY6 REST5 DELIVERY8  spread over up to 2^SPREAD buckets
--   +1  more of a value         the field and a number from 1 on
--   +2  left-over steps         the field of a row and "++": what a rebuild could not put into the row
-- A value that is longer than 64 bytes is kept in several fields: the first adds 128 to the value's first byte, and ends
-- with the number of the others.
--
-- A head is FLAGS [WITHDRAWN6] …; FLAGS are SPREAD + 16 for an event that has come + 32 for a withdrawn one + 64 where
-- SPREAD is decided. A row is SPREAD COUNT, COUNT steps, the newest first, and the recipient. A step is
-- STATE*4096+ATTEMPT (2 bytes) REASON TIME6 [CLAIM2] [LENGTH2 TEXT]. With CLAIM2, 64 is added to REASON: so many ms before,
-- the delivery was claimed for this attempt. With a text, 128 is added to REASON; a LENGTH2 from 65280 on is the code of a
-- known text. Numbers are big-endian.
local VALUE, MOST, DEEPEST = 64, 160, 12 -- bytes of a value; fields of a bucket that is full; the largest DEPTH
local HEAD, ROW, WIDE_ROW = 11, 14, 19 -- bytes of fields
local KNOWN, WITHDRAWN, DECIDED = 16, 32, 64
local LONGEST_ROW = 4096
local QUEUED, SENDING, HELD, DEFERRED, AMBIGUOUS, DIGESTED = 1, 2, 7, 8, 9, 0 -- codes of states, as in codes.py
local NO_REASON = 1 -- the code of a reason
local byte, char, sub, floor = string.byte, string.char, string.sub, math.floor
local call, unpack_bytes = redis.call, struct.unpack
local hour = floor(tonumber(call('TIME')[1]) / 3600)
local shards, periods, heads = {}, {}, {} -- segments by shard, periods by hours, and heads by field, in this run

local function new_segment(shard, name, period, ends, depth)
  return {name = name, prefix = shard .. ':' .. name .. ':', period = period, ends = ends, depth = depth, buckets = 4 ^ depth}
end

-- Returns the segments of a shard, the newest first.
local function segments_of(shard)
  local segments = shards[shard]
  if segments then return segments end
  segments = {}
  for name, period, ends, depth in string.gmatch(call('GET', shard) or '', '((([%d]+)%.%d+)%.(%d+)) ') do
    if tonumber(ends) > hour then
      segments[#segments + 1] = new_segment(shard, name, period, tonumber(ends), tonumber(depth))
    end
  end
  shards[shard] = segments
  return segments
end

local function add_segment(shard, period, ends, depth)
  local segments, names, last = segments_of(shard), {}, ends
  local segment = new_segment(shard, period .. '.' .. depth, period, ends, depth)
  table.insert(segments, 1, segment)
  for i, one in ipairs(segments) do
    names[i] = one.name .. ' '
    last = math.max(last, one.ends)
  end
  call('SET', shard, table.concat(names), 'EX', math.max(1, (last - hour)) * 3600)
  return segment
end

-- Returns the number of fields in three buckets of a segment, those after one.
local function fields_after(segment, number)
  local fields = 0
  for i = 1, 3 do fields = fields + call('HLEN', segment.prefix .. (number + i) % segment.buckets) end
  return fields
end

-- Returns the segment of a period that has the most buckets: the newest.
local function newest_of(shard, period)
  for _, segment in ipairs(segments_of(shard)) do
    if segment.period == period then return segment end
  end
end

-- Returns the segment for what is kept so many hours.
local function segment_for(shard, hours)
  local known = periods[hours]
  if not known then
    local span = 0
    while 4 * 2 ^ span < hours do span = span + 1 end
    local ends = (floor((hour + hours) / 2 ^ span) + 1) * 2 ^ span
    known = {period = ends .. '.' .. span, ends = ends, suffix = '.' .. span}
    periods[hours] = known
  end
  local newest, depth = newest_of(shard, known.period), 0
  if newest then return newest end
  for _, segment in ipairs(segments_of(shard)) do
    if sub(segment.period, -#known.suffix) == known.suffix then -- of the period before
      depth = segment.depth
      if depth > 0 and fields_after(segment, 0) < 3 * MOST / 16 then depth = depth - 1 end
      break
    end
  end
  return add_segment(shard, known.period, known.ends, depth)
end

-- Returns what chooses the bucket of a head or of a row beside it, and of a row of a wide event.
local function event_hash(field) return (unpack_bytes('>I4', field)) end
local function wide_hash(field, spread)
  return (event_hash(field) + unpack_bytes('>I2', field, 18) % 2 ^ spread * 2654435761) % 4294967296
end

-- Returns the value, bucket and segment of a field, or nil.
local function find(shard, hash, field)
  for _, segment in ipairs(segments_of(shard)) do
    local bucket = segment.prefix .. hash % segment.buckets
    local value = call('HGET', bucket, field)
    if value then return value, bucket, segment end
  end
end

local function spread_of(head) return byte(head) % 16 end

-- Returns {head, home: its segment, wide}, read once in this run; without any where there is no head. Not for a script that
-- changes heads.
local function head_of(shard, hash, field)
  local found = heads[field]
  if not found then
    local head, _, home = find(shard, hash, field)
    found = {head = head, home = home, wide = head and spread_of(head) > 0}
    heads[field] = found
  end
  return found
end

-- Returns the value and bucket of a row, or nil. The rows of a wide event are in segments of the period of its head's, `home`,
-- and none is in an older one.
local function find_row(shard, head, home, hash, field)
  if spread_of(head) == 0 then return find(shard, hash, field) end
  for _, segment in ipairs(segments_of(shard)) do
    if segment.period == home.period then
      local bucket = segment.prefix .. hash % segment.buckets
      local value = call('HGET', bucket, field)
      if value then return value, bucket end
      if segment == home then return nil end
    end
  end
end

-- Returns the whole value of a field from what the field itself holds.
local function whole(bucket, field, value)
  if not value or value == '' or byte(value) < 128 then return value end
  local names = {}
  for i = 1, byte(value, -1) do names[i] = field .. char(i) end
  local parts = call('HMGET', bucket, unpack(names))
  for i = 1, #parts do parts[i] = parts[i] or '' end
  return char(byte(value) - 128) .. sub(value, 2, -2) .. table.concat(parts)
end

-- Appends the fields of a value to a list of arguments. Returns how many there are.
local function append(args, field, value)
  local last = #args
  if #value <= VALUE then
    args[last + 1], args[last + 2] = field, value
    return 1
  end
  local size = math.max(VALUE, math.ceil((#value + 1) / 256)) -- there is one byte for the number of the others
  local more = math.ceil((#value - size + 1) / size)
  args[last + 1], args[last + 2] = field, char(byte(value) + 128) .. sub(value, 2, size - 1) .. char(more)
  for i = 1, more do
    args[last + 2 * i + 1], args[last + 2 * i + 2] = field .. char(i), sub(value, i * size, (i + 1) * size - 1)
  end
  return more + 1
end

-- Deletes a value, or the fields from a number on that it no longer needs, by what the field itself held.
local function remove(bucket, field, before, from)
  local gone = {not from and field or nil}
  if byte(before) >= 128 then
    for i = from or 1, byte(before, -1) do gone[#gone + 1] = field .. char(i) end
  end
  if #gone > 0 then call('HDEL', bucket, unpack(gone)) end
end

-- Stores a value in the place of another one, by what the field itself held.
local function replace(bucket, field, value, before)
  if #value <= VALUE and byte(before) < 128 then
    call('HSET', bucket, field, value)
    return
  end
  local args = {}
  local fields = append(args, field, value)
  call('HSET', bucket, unpack(args))
  remove(bucket, field, before, fields)
end

-- Adds fields to a bucket. Where that is full, what comes later goes into more buckets: 4 times as many, or 16 times where
-- one event fills them, since each segment in between would be one more to look into for each of its rows.
local function add(shard, segment, hash, args, added, is_wide)
  local number = hash % segment.buckets
  local bucket = segment.prefix .. number
  call('HSET', bucket, unpack(args))
  local fields = call('HLEN', bucket)
  if fields == added then call('EXPIRE', bucket, (segment.ends - hour) * 3600) end
  if fields <= MOST or segment.depth == DEEPEST or segment ~= newest_of(shard, segment.period) then return end
  -- a bucket alone may be full, of one id from many sources: more buckets would not help
  if segment.depth == 0 or fields_after(segment, number) >= MOST then
    add_segment(shard, segment.period, segment.ends, math.min(DEEPEST, segment.depth + (is_wide and 2 or 1)))
  end
end

local function has(head, flag) return floor(byte(head) / flag) % 2 == 1 end

-- Returns codes as a set.
local function set_of(codes)
  local set = {}
  for i = 1, #codes do set[byte(codes, i)] = true end
  return set
end

-- Returns the size of the step at this place of a row, and of its part before the text.
local function step_size(row, place)
  local reason, size = byte(row, place + 2), 9
  if floor(reason / 64) % 2 == 1 then size = 11 end
  if reason < 128 then return size, size end
  local high = byte(row, place + size)
  return size + 2 + (high == 255 and 0 or high * 256 + byte(row, place + size + 1)), size
end

local function state_of(row) return floor(byte(row, 3) / 16) end

-- Returns the newest step of a row, without the claim before it.
local function newest_step(row)
  local size, before_text = step_size(row, 3)
  if before_text == 9 then return sub(row, 3, 2 + size) end
  return sub(row, 3, 4) .. char(byte(row, 5) - 64) .. sub(row, 6, 11) .. sub(row, 14, 2 + size)
end

-- Returns the field of a delivery's row and its hash, by the head of its event or nil; `field` is that of a row beside it.
local function place_of(head_field, head, field)
  local spread = head and spread_of(head) or 0
  if spread == 0 then return field, event_hash(field) end
  field = head_field .. sub(field, 7)
  return field, wide_hash(field, spread)
end

-- Shortens a row that is too long: the oldest steps are removed, except the very first.
local function bounded(row)
  local count = byte(row, 2)
  if #row <= LONGEST_ROW and count < 255 then return row end
  local places, place = {}, 3
  for i = 1, count do
    places[i] = place
    place = place + step_size(row, place)
  end
  local kept = count - 1
  while kept > 1 and (#row - (places[count] - places[kept + 1]) > LONGEST_ROW or kept > 253) do kept = kept - 1 end
  return char(byte(row), kept + 1) .. sub(row, 3, places[kept + 1] - 1) .. sub(row, places[count])
end

-- Returns a row with a step in front. A claim that it ends loses the name of its owner, and, where it is of the same
-- attempt and not more than 65 s before, becomes a part of the step.
local function prepend(row, step)
  local count = byte(row, 2)
  if state_of(row) ~= SENDING then return bounded(char(byte(row), count + 1) .. step .. sub(row, 3)) end
  local older = sub(row, 3 + step_size(row, 3))
  local ms = unpack_bytes('>I4', step, 6) - unpack_bytes('>I4', row, 8)
  local same_attempt = byte(step, 2) == byte(row, 4) and byte(step) % 16 == byte(row, 3) % 16
  if same_attempt and byte(row, 5) % 64 == NO_REASON and ms >= 0 and ms < 65536 then
    step = sub(step, 1, 2) .. char(byte(step, 3) + 64) .. sub(step, 4, 9) .. struct.pack('>I2', ms) .. sub(step, 10)
    return bounded(char(byte(row), count) .. step .. older)
  end
  return bounded(char(byte(row), count + 1) .. step .. sub(row, 3, 4) .. char(byte(row, 5) % 64) .. sub(row, 6, 11) .. older)
end
