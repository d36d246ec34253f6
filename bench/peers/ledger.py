"""The ledger and the inboxes of the mode `ledger`: strings, sorted sets and hashes, each change in one script.

| key, after `peer:ledger:` | type | value |
|---|---|---|
| `row:DELIVERY` | string | steps, the newest first: `STATE⇥TIME⇥REASON⏎…` (ms); expires |
| `of:RECIPIENT` | sorted set | delivery ids by time (ms); expires |
| `withdrawn:EVENT` | string | the event is withdrawn |
| `suppressed:ADDRESS`, `unsubscribed:RECIPIENT:TYPE` | string | why no mail may be sent |
| `inbox:RECIPIENT` | hash | delivery id → entry, JSON; expires |
| `inbox:RECIPIENT:unread`, `:read` | sorted set | delivery ids by creation time (ms) |
| `inbox:RECIPIENT:counts` | hash | type → unread entries |
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

from redis.asyncio import Redis

PREFIX = "peer:ledger:"
_RETENTION_S = 604_800
_INDEX_CAP, _INBOX_CAP = 10_000, 1_000
_PER_CALL = 100  # a call buffers its writes until its end: more a call take longer

_CONTACTS = """
-- KEYS: contacts of accounts. Returns the contacts of each.
local out = {}
for i, key in ipairs(KEYS) do out[i] = redis.call('HVALS', key) end
return out
"""

_ENTER = """
-- KEYS: for each delivery its row, the withdrawal of its event, the index of its recipient.
-- ARGV: now (ms), expiry (s), cap of an index; then for each delivery its id and its first step.
-- Returns the newest step of each: the first one, unless it was entered before or is withdrawn.
local out = {}
for i = 1, #KEYS / 3 do
  local row, index = KEYS[3 * i - 2], KEYS[3 * i]
  local id, step = ARGV[2 * i + 2], ARGV[2 * i + 3]
  local stored = redis.call('MGET', row, KEYS[3 * i - 1])
  if stored[1] then
    step = string.match(stored[1], '^[^\\n]+')
  else
    if stored[2] then step = 'withdrawn\\t' .. ARGV[1] .. '\\twithdrawn_by_source' end
    redis.call('SET', row, step, 'EX', ARGV[2])
    redis.call('ZADD', index, ARGV[1], id)
    redis.call('ZREMRANGEBYRANK', index, 0, -1 - ARGV[3])
    redis.call('EXPIRE', index, ARGV[2])
  end
  out[i] = step
end
return out
"""

_MOVE = """
-- KEYS: rows. ARGV: the states that a row may be in, separated by blanks, then the next step of each.
-- Returns the newest step of each row before: its next step was added where the state was one of those.
local out = {}
for i, key in ipairs(KEYS) do
  local row, step = redis.call('GET', key) or '', ARGV[i + 1]
  local state = string.match(row, '^%a+')
  if string.sub(row, 1, #step + 1) == step .. '\\n' then -- the same call again: the client repeats one that timed out
    row = string.sub(row, #step + 2)
  elseif state and string.find(ARGV[1], state, 1, true) then
    redis.call('SET', key, step .. '\\n' .. row, 'KEEPTTL')
  end
  out[i] = string.match(row, '^[^\\n]*')
end
return out
"""

_DELIVER = """
-- KEYS: for each delivery its row and the inbox of its recipient.
-- ARGV: cap and expiry (s) of an inbox; then for each delivery its next step, id, creation time (ms), type, entry.
-- Returns the newest step of each row before: it was delivered where that was `queued`.
local cap, expiry, out = tonumber(ARGV[1]), tonumber(ARGV[2]), {}

-- Drops the entries over the cap: the oldest read ones, then the oldest.
local function trim(box)
  local over = redis.call('HLEN', box) - cap
  for _, list in ipairs({':read', ':unread'}) do
    local ids = over > 0 and redis.call('ZPOPMIN', box .. list, over) or {}
    for j = 1, #ids, 2 do
      local entry = cjson.decode(redis.call('HGET', box, ids[j]))
      if list == ':unread' then redis.call('HINCRBY', box .. ':counts', entry.type, -1) end
      redis.call('HDEL', box, ids[j])
      over = over - 1
    end
  end
end

for i = 1, #KEYS / 2 do
  local key, box, a = KEYS[2 * i - 1], KEYS[2 * i], 5 * i - 2
  local row = redis.call('GET', key) or ''
  if string.match(row, '^%a+') == 'queued' then
    redis.call('SET', key, ARGV[a] .. '\\n' .. row, 'KEEPTTL')
    redis.call('HSET', box, ARGV[a + 1], ARGV[a + 4])
    redis.call('ZADD', box .. ':unread', ARGV[a + 2], ARGV[a + 1])
    local unread = redis.call('HINCRBY', box .. ':counts', ARGV[a + 3], 1)
    if unread == 1 or redis.call('TTL', box) < expiry - 86400 then -- a key may be new, or expires a day too early
      for _, name in ipairs({'', ':unread', ':read', ':counts'}) do redis.call('EXPIRE', box .. name, expiry) end
    end
    trim(box)
  end
  out[i] = string.match(row, '^[^\\n]*')
end
return out
"""


class Step(NamedTuple):
    """A state of a delivery, since when (ms), and why."""

    state: str
    at_ms: int
    reason: str = ""

    def to_bytes(self) -> bytes:
        """Return the step as a row holds it."""
        reason = " ".join(self.reason.split())
        return f"{self.state}\t{self.at_ms}\t{reason}".encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Return a step of a row. Raise ValueError where there is none: the row has expired."""
        state, at_ms, reason = stored.decode().split("\t")
        return cls(state, int(at_ms), reason)


class NewRow(NamedTuple):
    """A delivery that is entered, with its first step."""

    id: str
    event: str
    recipient: str
    step: Step


class NewEntry(NamedTuple):
    """An inbox entry with the step of its delivery."""

    id: str
    recipient: str
    step: Step
    created_ms: int
    type: str
    entry: bytes


class Ledger:
    """Rows and inboxes in Redis. All calls of a batch are sent together."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._contacts = redis.register_script(_CONTACTS)
        self._enter = redis.register_script(_ENTER)
        self._move = redis.register_script(_MOVE)
        self._deliver = redis.register_script(_DELIVER)

    async def contacts(self, accounts: Sequence[str]) -> list[list[bytes]]:
        """Return the contacts of each account, JSON."""
        keys = [f"tocsin:{{a:{account}}}:contacts" for account in accounts]
        return await self._contacts(keys) if keys else []

    async def strings(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys."""
        values: list[Any] = await self._redis.mget(keys) if keys else []
        return values

    async def enter(self, rows: Sequence[NewRow], now_ms: int) -> list[Step]:
        """Enter deliveries once. Return the newest step of each."""

        def call(part: Sequence[NewRow]) -> Awaitable[list[bytes]]:
            keys: list[str] = []
            arguments: list[Any] = [now_ms, _RETENTION_S, _INDEX_CAP]
            for row in part:
                keys += (
                    f"{PREFIX}row:{row.id}",
                    f"{PREFIX}withdrawn:{row.event}",
                    f"{PREFIX}of:{row.recipient}",
                )
                arguments += (row.id, row.step.to_bytes())
            return self._enter(keys, arguments)

        return [Step.from_bytes(step) for step in await _in_parts(rows, call)]

    async def move(self, states: str, steps: Sequence[tuple[str, Step]]) -> list[bytes]:
        """Add steps to the rows that are in one of the states (`queued`, or several with blanks between).

        Return the newest step of each row before, b"" without a row.
        """

        def call(part: Sequence[tuple[str, Step]]) -> Awaitable[list[bytes]]:
            keys = [f"{PREFIX}row:{id_}" for id_, _ in part]
            return self._move(keys, [states, *(step.to_bytes() for _, step in part)])

        return await _in_parts(steps, call)

    async def deliver(self, entries: Sequence[NewEntry]) -> list[bytes]:
        """Add the entries of queued deliveries. Return the newest step of each before, b"" without a row."""

        def call(part: Sequence[NewEntry]) -> Awaitable[list[bytes]]:
            keys: list[str] = []
            arguments: list[Any] = [_INBOX_CAP, _RETENTION_S]
            for new in part:
                keys += (f"{PREFIX}row:{new.id}", f"{PREFIX}inbox:{new.recipient}")
                arguments += (new.step.to_bytes(), new.id, new.created_ms, new.type, new.entry)
            return self._deliver(keys, arguments)

        return await _in_parts(entries, call)


async def _in_parts(
    items: Sequence[Any], call: Callable[[Sequence[Any]], Awaitable[list[bytes]]]
) -> list[bytes]:
    parts = [items[start : start + _PER_CALL] for start in range(0, len(items), _PER_CALL)]
    return list(chain.from_iterable(await asyncio.gather(*map(call, parts))))
