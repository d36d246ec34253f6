-- Makes the transitions that the ledger allows. Needs ledger_functions.lua.
-- KEYS     shards
-- ARGV     step of a withdrawal without its time, number of kinds, then for each kind: codes of the states from which it
--          may start, and the owner whose claim it ends, "-" for none, or "" for any; then for each key the number of its
--          transitions, and for each: field of a row beside its head, REST5 of the event's key and its kind (two
--          bytes) and the new step
-- Returns  for each transition "1" if it was made, else the delivery's current step, "" if there is no such delivery
-- Atomic   the state check and the new step are one step: of two claims one is refused, and a withdrawal stored before
--          a claim always stops it
-- Slot     the shard's: all buckets of a shard have the same hash tag
local withdrawn_step, kinds, a, out = ARGV[1], {}, 3, {}
for kind = 1, tonumber(ARGV[2]) do
  kinds[kind] = {from = set_of(ARGV[a]), owner = ARGV[a + 1]}
  a = a + 2
end

local function attempt_of(step) return byte(step) % 16 * 256 + byte(step, 2) end
local function text_of(step) return sub(step, 12) end

-- Returns whether a claim is stale. A delivery that waits is claimed by the record of its next attempt, and a held one by
-- that of the attempt that it had when it was held; a record of
-- another attempt is left over and was read again: claiming by it would send the delivery before its time. A claim
-- without an owner only records what has happened, so it is never stale.
local function is_stale_claim(row, step) return #step > 9 and attempt_of(step) ~= attempt_of(sub(row, 3, 4)) + 1 end

-- Returns whether this transition would end a claim that its owner no longer has, since another one took it over.
local function ends_lost_claim(row, state, owner)
  if owner == '-' then return state ~= QUEUED end
  return owner ~= '' and (state ~= SENDING or text_of(newest_step(row)) ~= owner)
end

-- Makes a transition. Returns the answer.
local function make(shard, field, rest, kind, step)
  local hash, to, segment = event_hash(field), floor(byte(step) / 16), segments_of(shard)[1]
  if not segment then return '' end
  local head_field, bucket, first, head = sub(field, 1, 6) .. rest, nil, nil, nil
  local known = heads[head_field]
  if not (known and known.wide) then
    bucket = segment.prefix .. hash % segment.buckets
    if to == SENDING or to == DIGESTED then
      local found = call('HMGET', bucket, field, head_field)
      first, head = found[1], found[2]
    else
      first = call('HGET', bucket, field)
    end
  end
  if not first or (to == SENDING or to == DIGESTED) and not head then -- not in the newest segment, or of a wide event
    known = head_of(shard, hash, head_field)
    head = head or known.head
    if not first and known.wide then
      field, hash = place_of(head_field, head, field)
      first, bucket = find_row(shard, known.head, known.home, hash, field)
    elseif not first then
      first, bucket = find(shard, hash, field)
    end
    if not first then return '' end
  end
  local row, state, withdrawn = whole(bucket, field, first), state_of(first), head and has(head, WITHDRAWN)
  if to == SENDING then
    local waits = state == DEFERRED or state == AMBIGUOUS or state == HELD
    if waits and not withdrawn and is_stale_claim(row, step) then return newest_step(row) end
  elseif to == state and newest_step(row) == step then
    return '1' -- the same transition again: the client repeats a batch that timed out
  end
  if ends_lost_claim(row, state, kind.owner) or not kind.from[state] then return newest_step(row) end
  local answer = '1'
  if (to == SENDING or to == DIGESTED) and withdrawn then -- the last moment at which a withdrawal can stop a message
    step = char(byte(withdrawn_step) + byte(step) % 16) .. sub(step, 2, 2) .. sub(withdrawn_step, 3, 3) .. sub(step, 4, 9)
    answer = step
  end
  replace(bucket, field, prepend(row, step), first)
  return answer
end

for _, shard in ipairs(KEYS) do
  local last = a + 2 * tonumber(ARGV[a])
  for i = a + 1, last, 2 do
    local change = ARGV[i + 1]
    out[#out + 1] = make(shard, ARGV[i], sub(change, 1, 5), kinds[byte(change, 6) * 256 + byte(change, 7)], sub(change, 8))
  end
  a = last + 1
end
return out
