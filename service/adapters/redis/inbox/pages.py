"""Pages of an inbox, by cursor."""

import re

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.inbox import READ_PAGE
from service.adapters.redis.inbox.rows import id_bytes, items_of
from service.ports import Clock, InboxPage, InboxQuery

_CREATED = re.compile(r"-?[0-9]{1,16}")


class RedisInboxReads:
    """Implements the InboxReads port."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(self, query: InboxQuery) -> InboxPage:
        """Return a page. Raise ValueError for a cursor that is not from a page."""
        created, last_id = _parse_cursor(query.after)
        reply = await self._store.run_script(
            READ_PAGE,
            self._store.keys.inbox(query.recipient),
            self._clock.now_ms(),
            query.shown.value,
            "1" if query.descending else "0",
            query.limit + 1,  # one more than the page shows whether there are more
            created,
            last_id,
            *query.types,
        )
        items = await items_of(query.recipient, reply)
        # the script returns unread and read entries one after the other: merge them
        items.sort(key=lambda item: (item.created_ms, item.id), reverse=query.descending)
        if len(items) <= query.limit:
            return InboxPage(items)
        last = items[query.limit - 1]
        return InboxPage(items[: query.limit], f"{last.created_ms}.{last.id}")


def _parse_cursor(after: str) -> tuple[int | str, str | bytes]:
    if not after:
        return "", ""
    created, dot, last_id = after.partition(".")
    if not dot or not _CREATED.fullmatch(created):
        raise ValueError("not a cursor of an inbox")
    return int(created), id_bytes(last_id)
