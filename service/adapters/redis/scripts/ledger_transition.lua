-- Makes the transitions that the ledger allows.
-- KEYS     ledgers of events
-- ARGV     longest row (bytes); then for each key: n, then n times: delivery id, the states from which this transition
--          may start as ",queued,held," and after them the owner whose claim it ends, if it ends one, and the new step
--          "STATE⇥REASON⇥AT⇥ATTEMPT⇥OWNER⇥DETAIL"
-- Returns  for each transition "1" if it was made, else the delivery's current step, "" if there is no such delivery
-- Atomic   the state check and the new step are one step: of two claims one is refused, and a withdrawal stored before
--          a claim always stops it
-- Slot     the event's: the hashes of a sharded event have the same hash tag
local longest = tonumber(ARGV[1])
local a, out = 2, {}

-- Shortens a row that is too long. A row is its steps, newest first, and the recipient's line: the oldest steps are
-- removed, except the very first.
local function bounded(row)
  if #row <= longest then return row end
  local lines = {}
  for line in string.gmatch(row, '[^\n]+') do lines[#lines + 1] = line end
  local size = #row
  while size > longest and #lines > 3 do
    size = size - #table.remove(lines, #lines - 2) - 1
  end
  return table.concat(lines, '\n')
end

-- Returns whether a claim is stale. A delivery that waits is claimed by the record of its next attempt; a record of
-- another attempt is left over and was read again: claiming by it would send the delivery before its time. A claim
-- without an owner only records what has happened, so it is never stale.
local function is_stale_claim(current, step)
  local tried = string.match(current, '^%a+\t[^\t]*\t[^\t]*\t(%d+)')
  local attempt, owner = string.match(step, '^sending\t[^\t]*\t[^\t]*\t(%d+)\t([^\t]*)')
  return owner ~= '' and tonumber(attempt) ~= tonumber(tried) + 1
end

-- Returns whether this transition would end a claim that its owner no longer has, since another one took it over; "-" is
-- the owner of a delivery without a claim.
local function ends_lost_claim(current, from)
  local owner = string.match(from, '[^,]*$')
  if owner == '-' then return not string.find(current, '^queued\t') end
  return owner ~= '' and string.match(current, '^sending\t[^\t]*\t[^\t]*\t[^\t]*\t([^\t]*)') ~= owner
end

for _, event in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  local fields = {'@w', '@x'}
  for i = 0, n - 1 do fields[#fields + 1] = ARGV[a + 3 * i] end
  local values, rows = redis.call('HMGET', event, unpack(fields)), {}
  local sharded, withdrawn = values[1] == '1', values[2]
  for i = 3, #fields do rows[fields[i]] = values[i] end
  for _ = 1, n do
    local delivery, from, step = ARGV[a], ARGV[a + 1], ARGV[a + 2]
    a = a + 3
    local hash = sharded and event .. ':' .. string.sub(delivery, 1, 2) or event
    local row = hash == event and rows[delivery] or redis.call('HGET', hash, delivery)
    if not row then
      out[#out + 1] = ''
    else
      local current = string.match(row, '^[^\n]*')
      local claims, state = string.find(step, '^sending\t'), string.match(current, '^%a+')
      local waits = state == 'deferred' or state == 'ambiguous'
      if current == step and not claims then
        out[#out + 1] = '1' -- the same transition again: the client repeats a batch that timed out
      elseif claims and waits and not withdrawn and is_stale_claim(current, step) then
        out[#out + 1] = current
      elseif ends_lost_claim(current, from) then
        out[#out + 1] = current
      elseif string.find(from, ',' .. state .. ',', 1, true) then
        local answer = '1'
        if claims and withdrawn then -- the last moment at which a withdrawal can stop a message
          local ended = 'withdrawn\twithdrawn_by_source\t%1\t%2\t\t'
          step = string.gsub(step, '^sending\t[^\t]*\t(%-?%d+)\t(%d+)\t.*$', ended)
          answer = step
        end
        rows[delivery] = bounded(step .. '\n' .. row)
        redis.call('HSET', hash, delivery, rows[delivery])
        out[#out + 1] = answer
      else
        out[#out + 1] = current
      end
    end
  end
end
return out
