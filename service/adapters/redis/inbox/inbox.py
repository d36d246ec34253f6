"""The inboxes: every change is one script that keeps lists, counts and the stream of changes in step."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import CHUNK, Plan, Script, Store, chunks
from service.adapters.redis.inbox.rows import entry_bytes, items_of, unread_counts
from service.ports import Clock, InboxItem

_ADD, _OWNERS = (
    Script("inbox_lib", "inbox_add", complete_only=True),
    Script("inbox_owners", complete_only=True),
)
_REMOVE = Script("inbox_lib", "inbox_remove", complete_only=True)
_READ = Script("inbox_lib", "inbox_read", complete_only=True)
_COUNTS = Script("inbox_lib", "inbox_counts", complete_only=True)
PAGE = Script("inbox_lib", "inbox_page", complete_only=True)
_MARKED: Mapping[int, bool | None] = {1: True, 0: False, -1: None}


class RedisInbox:
    """The Inbox port.

    `cap`: entries a recipient; beyond it the oldest that were read go first, then the oldest. `owner_s`:
    how long it is known whose entry an id was, in seconds.
    """

    def __init__(self, store: Store, clock: Clock, *, cap: int = 1000, owner_s: int = 90 * 86_400) -> None:
        self._store = store
        self._clock = clock
        self._cap = cap
        self._owner_s = owner_s

    async def add(self, items: Sequence[InboxItem]) -> Sequence[bool]:
        """Add entries; False for one that was there before, even if it has left the inbox since."""
        owners = Plan(_OWNERS, self._store.cluster, (self._owner_s,))
        adding = Plan(_ADD, self._store.cluster, (self._clock.now_ms(), self._cap))
        of_recipient: dict[str, list[int]] = {}
        for i, item in enumerate(items):
            owners.place(self._store.keys.owner(item.id), (i,)).args.append(item.recipient)
            of_recipient.setdefault(item.recipient, []).append(i)
        for recipient, places in of_recipient.items():
            key = self._store.keys.inbox(recipient)
            for part in chunks(places):
                args = adding.place(key, part).args
                args.append(len(part))
                for i in part:
                    args += (items[i].id, entry_bytes(items[i]))
        if self._store.cluster:  # its servers work side by side, and the owner has to be known first
            await self._store.run(owners)
            added = (await self._store.run(adding))[0]
        else:
            added = (await self._store.run(owners, adding))[1]
        return [answer == 1 for answer in added]

    async def remove(self, recipient: str, ids: Sequence[str]) -> int:
        """Take entries out again; how many were there."""
        key, found = self._store.keys.inbox(recipient), 0
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            found += (await self._store.script(_REMOVE, key, self._clock.now_ms(), *part))[0]
            await self._store.pipeline([("DEL", self._store.keys.owner(i)) for i in part])
        return found

    async def counts(self, recipient: str) -> Mapping[str, int]:
        """Unread entries by type; types with none are absent."""
        reply = await self._store.script(_COUNTS, self._store.keys.inbox(recipient), self._clock.now_ms())
        return unread_counts(reply)

    async def unread(
        self, recipient: str, *, descending: bool = False, limit: int = 0
    ) -> Sequence[InboxItem]:
        """Unread entries by created_at; limit 0 means all."""
        key, order = self._store.keys.inbox(recipient), "1" if descending else "0"
        reply = await self._store.script(PAGE, key, self._clock.now_ms(), "unread", order, limit, "", "")
        return items_of(recipient, reply)

    async def mark_read(self, recipient: str, ids: Sequence[str], at_ms: int) -> Sequence[bool | None]:
        """True: now read, False: was read before, None: this recipient has no such entry."""
        key, marked = self._store.keys.inbox(recipient), list[bool | None]()
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            reply = await self._store.script(_READ, key, self._clock.now_ms(), max(1, at_ms), *part)
            marked += (_MARKED[answer] for answer in reply)
        return marked

    async def were_read(self, entries: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """For each (recipient, entry id) whether it stands there and has been read; in one pipeline."""
        keys = self._store.keys
        commands = [("ZSCORE", f"{keys.inbox(recipient)}:read", item) for recipient, item in entries]
        return [score is not None for score in await self._store.pipeline(commands)]

    async def owner(self, item: str) -> str | None:
        """Whose entry it is, or was until lately."""
        (owner,), _ = await self._store.fetch([self._store.keys.owner(item)])
        return None if owner is None else owner.decode()
