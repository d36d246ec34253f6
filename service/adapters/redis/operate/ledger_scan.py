"""Everything that the ledger, the due set and the inboxes hold, for an audit: a few hundred keys at a time."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence

from service.adapters.redis.client import CHUNK, Script, Store
from service.adapters.redis.keys import DUE_SHARDS, unescape
from service.adapters.redis.ledger.rows import entry_of
from service.adapters.redis.operate.inbox_drift import drift
from service.model.ledger import Entry
from service.ports import Clock

_KEYS_A_CALL = 50
_EVENT = re.compile(r"\{e:([^}]*)\}(?::[0-9a-f]{2})?")
_INBOX = re.compile(r"\{r:([^}]*)\}:inbox")
_RECOUNT = Script("inbox_lib", "inbox_recount")


class RedisLedgerScan:
    """The Sweep port. On a cluster every primary is asked. What is written meanwhile may be seen or not."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def ledger(self) -> AsyncIterator[tuple[Sequence[Entry], Sequence[str]]]:
        """Deliveries, each once, and the names of rows that cannot be read."""
        async for found in self._matching("{e:*}*", _EVENT):
            entries: list[Entry] = []
            broken: list[str] = []
            replies = await self._store.pipeline([("HGETALL", key) for key, _ in found])
            for (_, event), rows in zip(found, replies, strict=True):
                _read(event, rows, entries, broken)
            yield entries, broken

    async def waiting(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """(event, delivery) of what is in the due set; the event is empty where the delivery is not there."""
        for shard in range(DUE_SHARDS):
            key, start = self._store.keys.due(shard), 0
            (ids,) = await self._store.pipeline([("ZRANGE", key, 0, -1)])
            while part := ids[start : start + CHUNK]:
                (rows,) = await self._store.pipeline([("HMGET", f"{key}:deliveries", *part)])
                yield [(_event_in(row), i.decode()) for i, row in zip(part, rows, strict=True)]
                start += CHUNK

    async def inboxes(self) -> AsyncIterator[Sequence[str]]:
        """Recipients who have an inbox."""
        async for found in self._matching("{r:*}:inbox", _INBOX):
            yield [unescape(recipient) for _, recipient in found]

    async def inbox_drift(self, recipient: str) -> Sequence[str]:
        """What disagrees in an inbox, a line each."""
        return await drift(self._store, self._clock, recipient)

    async def recount(self, recipient: str) -> None:
        """Make an inbox's lists and counts anew from its entries."""
        await self._store.script(_RECOUNT, self._store.keys.inbox(recipient), self._clock.now_ms())

    async def _matching(
        self, pattern: str, shape: re.Pattern[str]
    ) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Keys of this shape, each once, with what the shape's group holds."""
        prefix = self._store.keys.prefix
        escaped = re.sub(r"([\[\]*?^\\-])", r"\\\1", prefix)
        seen: set[bytes] = set()  # SCAN may show a key twice
        async for names in self._store.scan(escaped + pattern):
            fresh = [name for name in dict.fromkeys(names) if name not in seen]
            seen.update(fresh)
            texts = [name.decode(errors="surrogateescape") for name in fresh]
            found = [(text, match[1]) for text in texts if (match := shape.fullmatch(text[len(prefix) :]))]
            for start in range(0, len(found), _KEYS_A_CALL):
                yield found[start : start + _KEYS_A_CALL]


def _read(event: str, rows: Mapping[bytes, bytes], entries: list[Entry], broken: list[str]) -> None:
    for name, row in rows.items():
        if name.startswith(b"@"):
            continue
        try:
            entries.append(entry_of(unescape(event), name.decode(), row))
        except ValueError:
            broken.append(f"{event}:{name.decode(errors='replace')}")


def _event_in(row: bytes | None) -> str:
    """The event of a stored delivery, without reading all of it."""
    found = re.search(rb'"event":"([0-9a-f]{24})"', row or b"")
    return found[1].decode() if found else ""
