"""Inboxes in memory: a plain list of entries for each recipient."""

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from service.ports import Clock, InboxChange, InboxChangeKind, InboxItem, InboxPage, InboxQuery, ReadFilter
from tests.fakes.outage import Outage

_MOST_CHANGES = 1000


class FakeInbox:
    """Implements the Inbox, InboxReads and InboxChanges ports."""

    def __init__(self, clock: Clock, *, cap: int = 1000) -> None:
        self.outage = Outage()
        self._clock = clock
        self._cap = cap
        self._items: dict[str, list[InboxItem]] = {}
        self._dropped: dict[str, dict[str, float]] = {}
        """The ids of dropped entries, and when these expire."""
        self._changes: dict[str, list[tuple[int, InboxChangeKind | None, list[str]]]] = {}
        """Changes of inboxes with a listener; the first is a mark without a kind."""
        self._changed = asyncio.Condition()

    async def add(self, items: Sequence[InboxItem]) -> Sequence[bool]:
        added = []
        for item in items:
            box, now = self._box(item.recipient), self._clock.now_ms()
            is_new = item.id not in {i.id for i in box} and not 0 < item.expires_ms <= now
            is_new &= self._dropped.get(item.recipient, {}).get(item.id, 0) <= now
            if is_new:
                box.append(item)
                self._record(item.recipient, InboxChangeKind.new, [item.id])
            added.append(is_new)
        for recipient in {item.recipient for item in items}:
            box = self._box(recipient)
            victims = sorted(box, key=lambda i: (not i.read_ms, i.created_ms, i.id))[
                : max(0, len(box) - self._cap)
            ]
            self._drop(recipient, {i.id for i in victims})
        await self._notify()
        return added

    async def remove(self, recipient: str, ids: Sequence[str]) -> int:
        self._box(recipient)
        removed = self._drop(recipient, set(ids))
        await self._notify()
        return removed

    async def counts(self, recipient: str) -> Mapping[str, int]:
        return dict(Counter(item.type for item in self._box(recipient) if not item.read_ms))

    async def unread(
        self, recipient: str, *, descending: bool = False, limit: int = 0
    ) -> Sequence[InboxItem]:
        page = await self.page(InboxQuery(recipient, descending=descending, limit=limit or 10**9))
        return page.items

    async def mark_read(self, recipient: str, ids: Sequence[str], at_ms: int) -> Sequence[bool | None]:
        marked: list[bool | None] = []
        for item in ids:
            unread = {i.id: not i.read_ms for i in self._box(recipient)}
            marked.append(unread.get(item))
            if unread.get(item):
                self._read(recipient, {item}, at_ms)
        await self._notify()
        return marked

    async def were_read(self, entries: Sequence[tuple[str, str]]) -> Sequence[bool]:
        return [any(i.id == item and i.read_ms for i in self._box(recipient)) for recipient, item in entries]

    async def page(self, query: InboxQuery) -> InboxPage:
        items = [
            item
            for item in self._box(query.recipient)
            if (query.shown is ReadFilter.all or bool(item.read_ms) == (query.shown is ReadFilter.read))
            and (not query.types or item.type in query.types)
        ]
        items.sort(key=lambda i: (i.created_ms, i.id), reverse=query.descending)
        if query.after:
            created, dot, last = query.after.partition(".")
            if not dot:
                raise ValueError("not a cursor of an inbox")
            edge = (int(created), last)
            items = [
                i
                for i in items
                if ((i.created_ms, i.id) < edge if query.descending else (i.created_ms, i.id) > edge)
            ]
        page = items[: query.limit]
        more = len(items) > query.limit
        return InboxPage(page, f"{page[-1].created_ms}.{page[-1].id}" if more else "")

    async def position(self, recipient: str) -> str:
        self.outage.check()
        changes = self._changes.setdefault(recipient, [(1, None, [])])
        return f"{changes[-1][0]}-0"

    async def since(self, recipient: str, position: str) -> Sequence[InboxChange] | None:
        items = {item.id: item for item in self._box(recipient)}
        changes = self._changes.get(recipient, [])
        number, _, rest = position.partition("-")
        if not number.isdigit() or rest != "0" or int(number) not in {n for n, _, _ in changes}:
            return None
        return [
            InboxChange(f"{n}-0", kind, ids, items.get(ids[0]) if kind is InboxChangeKind.new else None)
            for n, kind, ids in changes
            if kind is not None and n > int(number)
        ]

    async def wait_for_changes(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        async def after() -> list[str]:
            async with self._changed:
                while not (changed := [r for r, p in positions.items() if self._last(r) > _number(p)]):
                    await self._changed.wait()
                return changed

        try:
            return await asyncio.wait_for(after(), timeout_s)
        except TimeoutError:
            return []

    def _box(self, recipient: str) -> list[InboxItem]:
        self.outage.check()
        now, box = self._clock.now_ms(), self._items.setdefault(recipient, [])
        self._drop(recipient, {i.id for i in box if 0 < i.expires_ms <= now})
        return self._items[recipient]

    def _drop(self, recipient: str, ids: set[str]) -> int:
        box = self._items[recipient]
        dropped = [i.id for i in box if i.id in ids]
        self._items[recipient] = [i for i in box if i.id not in ids]
        ends = {i.id: i.expires_ms or math.inf for i in box if i.id in ids}
        self._dropped.setdefault(recipient, {}).update(ends)
        self._record(recipient, InboxChangeKind.removed, dropped)
        return len(dropped)

    def _read(self, recipient: str, ids: set[str], at_ms: int) -> None:
        box = self._items[recipient]
        self._items[recipient] = [i._replace(read_ms=max(1, at_ms)) if i.id in ids else i for i in box]
        self._record(recipient, InboxChangeKind.read, sorted(ids))

    def _record(self, recipient: str, kind: InboxChangeKind, ids: list[str]) -> None:
        if ids and (changes := self._changes.get(recipient)):
            changes.append((self._last(recipient) + 1, kind, ids))
            del changes[:-_MOST_CHANGES]

    def _last(self, recipient: str) -> int:
        changes = self._changes.get(recipient)
        return changes[-1][0] if changes else 0

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _number(position: str) -> int:
    return int(position.partition("-")[0])
