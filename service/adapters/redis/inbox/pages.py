"""The inbox as its owner sees it: pages by cursor."""

import re

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.inbox import PAGE
from service.adapters.redis.inbox.rows import items_of
from service.ports import Clock, InboxPage, InboxQuery

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


def _cursor(after: str) -> tuple[int | str, str]:
    if not after:
        return "", ""
    created, dot, last = after.partition(".")
    if not dot or not _CREATED.fullmatch(created):
        raise ValueError("not a cursor of an inbox")
    return int(created), last
