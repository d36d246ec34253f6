"""The inbox as its owner sees it: pages by cursor, and reading all at once."""

import re

from service.adapters.redis.client import Script, Store
from service.adapters.redis.inbox import PAGE
from service.adapters.redis.inbox_rows import items_of
from service.api_ports import InboxPage, InboxQuery
from service.ports import Clock

_READ_ALL = Script("inbox_lib", "inbox_read_all", complete_only=True)
_CREATED = re.compile(r"-?\d{1,16}")


class RedisInboxReads:
    """The InboxReads port."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(self, query: InboxQuery) -> InboxPage:
        """One page. Raises ValueError for a cursor that no page gave."""
        created, last = _cursor(query.after)
        reply = await self._store.script(
            PAGE,
            self._store.keys.inbox(query.recipient),
            self._clock.now_ms(),
            query.shown.value,
            "1" if query.descending else "0",
            query.limit + 1,  # one more tells whether there are more
            created,
            last,
            *query.types,
        )
        items = items_of(query.recipient, reply)
        items.sort(key=lambda item: (item.created_ms, item.id), reverse=query.descending)
        if len(items) <= query.limit:
            return InboxPage(items)
        edge = items[query.limit - 1]
        return InboxPage(items[: query.limit], f"{edge.created_ms}.{edge.id}")

    async def mark_all_read(self, recipient: str, at_ms: int, types: frozenset[str] = frozenset()) -> int:
        """Mark every unread entry (of these types) read, at once; how many there were."""
        key, now = self._store.keys.inbox(recipient), self._clock.now_ms()
        (marked,) = await self._store.script(_READ_ALL, key, now, max(1, at_ms), *types)
        return int(marked)


def _cursor(after: str) -> tuple[int | str, str]:
    if not after:
        return "", ""
    created, dot, last = after.partition(".")
    if not dot or not _CREATED.fullmatch(created):
        raise ValueError("not a cursor of an inbox")
    return int(created), last
