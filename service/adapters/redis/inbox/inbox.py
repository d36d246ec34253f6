"""The inboxes: every change is one script, which keeps entries, lists, counts and the change stream consistent."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.rows import entry_bytes, id_bytes, items_of, unread_counts
from service.adapters.redis.script_batch import CHUNK, Script, ScriptBatch
from service.ports import Clock, InboxItem

_ADD = Script("inbox_functions", "inbox_add", complete_only=True)
_REMOVE = Script("inbox_functions", "inbox_remove", complete_only=True)
_MARK_READ = Script("inbox_functions", "inbox_mark_read", complete_only=True)
_COUNT_UNREAD = Script("inbox_functions", "inbox_count_unread", complete_only=True)
READ_PAGE = Script("inbox_functions", "inbox_read_page", complete_only=True)
_MARK_RESULTS: Mapping[int, bool | None] = {1: True, 0: False, -1: None}


class RedisInbox:
    """Implements the Inbox port.

    `cap`: most entries per recipient; over it the oldest read ones are dropped first, then the oldest.
    """

    def __init__(self, store: Store, clock: Clock, *, cap: int = 1000) -> None:
        self._store = store
        self._clock = clock
        self._cap = cap

    async def add(self, items: Sequence[InboxItem]) -> Sequence[bool]:
        """Add entries.

        Return False for one that was added before, even if it has left the inbox since, and for one that has expired.
        """
        batch = ScriptBatch(_ADD, self._store.cluster, (self._clock.now_ms(), self._cap))
        for i, args in batch.grouped((item.recipient for item in items), self._store.keys.inbox):
            args.extend((id_bytes(items[i].id), entry_bytes(items[i])))
        added = (await self._store.run(batch))[0]
        return [result == 1 for result in added]

    async def remove(self, recipient: str, ids: Sequence[str]) -> int:
        """Remove entries. Return how many there were."""
        key, removed = self._store.keys.inbox(recipient), 0
        for start in range(0, len(ids), CHUNK):
            part = map(id_bytes, ids[start : start + CHUNK])
            removed += (await self._store.run_script(_REMOVE, key, self._clock.now_ms(), *part))[0]
        return removed

    async def counts(self, recipient: str) -> Mapping[str, int]:
        """Return the number of unread entries by type; types with none are absent."""
        key = self._store.keys.inbox(recipient)
        reply = await self._store.run_script(_COUNT_UNREAD, key, self._clock.now_ms())
        return unread_counts(reply)

    async def unread(
        self, recipient: str, *, descending: bool = False, limit: int = 0
    ) -> Sequence[InboxItem]:
        """Return unread entries in order of created_at; limit 0 means all."""
        key, order = self._store.keys.inbox(recipient), "1" if descending else "0"
        now_ms = self._clock.now_ms()
        reply = await self._store.run_script(READ_PAGE, key, now_ms, "unread", order, limit, "", "")
        return await items_of(recipient, reply)

    async def mark_read(self, recipient: str, ids: Sequence[str], at_ms: int) -> Sequence[bool | None]:
        """Mark entries as read. Return True: now read, False: read before, None: the recipient has no such entry."""
        key, marked = self._store.keys.inbox(recipient), list[bool | None]()
        for start in range(0, len(ids), CHUNK):
            part = map(id_bytes, ids[start : start + CHUNK])
            reply = await self._store.run_script(_MARK_READ, key, self._clock.now_ms(), max(1, at_ms), *part)
            marked += (_MARK_RESULTS[result] for result in reply)
        return marked

    async def were_read(self, entries: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Return for each (recipient, entry id) whether the entry exists and has been read; in one pipeline."""
        keys = self._store.keys
        commands = [
            ("ZSCORE", f"{keys.inbox(recipient)}:read", id_bytes(item)) for recipient, item in entries
        ]
        return [score is not None for score in await self._store.pipeline(commands)]
