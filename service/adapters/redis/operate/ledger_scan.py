"""Scans of everything in the ledger, the due set and the inboxes, for an audit: a few hundred keys at a time."""

import re
from collections.abc import AsyncIterator, Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.keys import DUE_SHARDS, unescape
from service.adapters.redis.ledger.rows import entry_of
from service.adapters.redis.ledger.scan import scan_ledger
from service.adapters.redis.operate.inbox_drift import inbox_drift
from service.adapters.redis.script_batch import CHUNK, Script
from service.model.ledger import Entry
from service.ports import Clock

_KEYS_A_CALL = 50
_INBOX = re.compile(r"\{r:([^}]*)\}:inbox")
_EVENT_FIELD = re.compile(rb'"event":"([0-9a-f]{24})"')
_RECOUNT = Script("inbox_functions", "inbox_recount")


class RedisLedgerScan:
    """Implements the LedgerScan port, on a cluster over every primary. Rows written during a scan may be missed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def ledger(self) -> AsyncIterator[tuple[Sequence[Entry], Sequence[str]]]:
        """Yield deliveries, each once, and the names of rows that cannot be read."""
        async for part in scan_ledger(self._store):
            entries: list[Entry] = []
            broken: list[str] = []
            for event, delivery, row in part.rows:
                try:
                    entries.append(entry_of(event, delivery, row))
                except ValueError:
                    broken.append(f"{event}:{delivery}")
            yield entries, broken

    async def waiting(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield (event, delivery) of everything in the due set; the event is empty where the delivery is missing."""
        for shard in range(DUE_SHARDS):
            key, start = self._store.keys.due_shard(shard), 0
            (ids,) = await self._store.pipeline([("ZRANGE", key, 0, -1)])
            while part := ids[start : start + CHUNK]:
                (rows,) = await self._store.pipeline([("HMGET", f"{key}:deliveries", *part)])
                yield [(_event_of(row), i.decode()) for i, row in zip(part, rows, strict=True)]
                start += CHUNK

    async def inboxes(self) -> AsyncIterator[Sequence[str]]:
        """Yield the recipients with an inbox."""
        async for keys in self._scan("{r:*}:inbox", _INBOX):
            yield [unescape(recipient) for _, recipient in keys]

    async def inbox_drift(self, recipient: str) -> Sequence[str]:
        """Return the inconsistencies of an inbox, one line each."""
        return await inbox_drift(self._store, self._clock, recipient)

    async def recount(self, recipient: str) -> None:
        """Recreate an inbox's lists and counts from its entries."""
        await self._store.run_script(_RECOUNT, self._store.keys.inbox(recipient), self._clock.now_ms())

    async def _scan(self, suffix: str, shape: re.Pattern[str]) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield the keys of this shape, each once, with the match of the shape's group.

        The glob `suffix` narrows what the server sends; it matches more keys than `shape`.
        """
        prefix_length = len(self._store.keys.prefix)
        seen: set[bytes] = set()  # SCAN may return a key twice
        async for names in self._store.scan_keys(suffix):
            new = [name for name in dict.fromkeys(names) if name not in seen]
            seen.update(new)
            texts = [name.decode(errors="surrogateescape") for name in new]
            keys = [(text, match[1]) for text in texts if (match := shape.fullmatch(text[prefix_length:]))]
            for start in range(0, len(keys), _KEYS_A_CALL):
                yield keys[start : start + _KEYS_A_CALL]


def _event_of(row: bytes | None) -> str:
    """Return the event of a stored delivery without parsing all of it."""
    match = _EVENT_FIELD.search(row or b"")
    return match[1].decode() if match else ""
