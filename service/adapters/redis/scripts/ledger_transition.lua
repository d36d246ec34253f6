-- Makes the moves that the ledger allows.
-- KEYS  the events
-- ARGV  the longest row in bytes; then for each event: n, and n times: delivery, the states from which this move may
--       start as ",queued,held,", and the new step "STATE⇥REASON⇥AT⇥ATTEMPT⇥OWNER⇥DETAIL"
-- reply for each move "1" if it was made, else the step the delivery stands at, "" if there is no such delivery
local longest = tonumber(ARGV[1])
local a, out = 2, {}

-- A row is its steps, newest first, and last who it is for. When it grows too long, what lies between goes:
-- the oldest steps but the very first.
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

-- What waits for its next attempt is claimed by the record of that attempt. One that was left behind by an attempt and
-- comes again would try it before its time. Claims without an owner only note what has happened.
local function left_behind(now, step)
  local tried = string.match(now, '^%a+\t[^\t]*\t[^\t]*\t(%d+)')
  local attempt, owner = string.match(step, '^sending\t[^\t]*\t[^\t]*\t(%d+)\t([^\t]*)')
  return owner ~= '' and tonumber(attempt) ~= tonumber(tried) + 1
end

for _, event in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  local fields = {'@w', '@x'}
  for i = 0, n - 1 do fields[#fields + 1] = ARGV[a + 3 * i] end
  local about, rows = redis.call('HMGET', event, unpack(fields)), {}
  for i = 3, #fields do rows[fields[i]] = about[i] end
  for _ = 1, n do
    local delivery, from, step = ARGV[a], ARGV[a + 1], ARGV[a + 2]
    a = a + 3
    local hash = about[1] == '1' and event .. ':' .. string.sub(delivery, 1, 2) or event
    local row = hash == event and rows[delivery] or redis.call('HGET', hash, delivery)
    if not row then
      out[#out + 1] = ''
    else
      local now = string.match(row, '^[^\n]*')
      local claims, state = string.find(step, '^sending\t'), string.match(now, '^%a+')
      local waits = state == 'deferred' or state == 'ambiguous'
      if now == step and not claims then
        out[#out + 1] = '1' -- the same move, sent twice
      elseif claims and waits and not about[2] and left_behind(now, step) then
        out[#out + 1] = now
      elseif string.find(from, ',' .. state .. ',', 1, true) then
        local made = '1'
        if claims and about[2] then
          step = string.gsub(step, '^sending\t[^\t]*\t(%-?%d+)\t(%d+)\t.*$', 'withdrawn\twithdrawn_by_source\t%1\t%2\t\t')
          made = step
        end
        rows[delivery] = bounded(step .. '\n' .. row)
        redis.call('HSET', hash, delivery, rows[delivery])
        out[#out + 1] = made
      else
        out[#out + 1] = now
      end
    end
  end
end
return out
