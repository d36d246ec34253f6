"""The recipients table in id order."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import require_complete
from service.adapters.redis.tables.rows import recipient_of, stands
from service.adapters.redis.tables.writes import EVERYONE
from service.model.recipient import Recipient


class RedisRecipientDirectory:
    """The Directory port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        """At most `limit` rows whose ids come after `after` by their UTF-8 bytes. Raises Unavailable."""
        keys = self._store.keys
        begin = f"({after}" if after else "-"
        (ids,) = await self._store.pipeline(
            [("ZRANGEBYLEX", keys.holders(EVERYONE), begin, "+", "LIMIT", 0, limit)]
        )
        rows, marks = await self._store.fetch(
            [keys.recipient(i.decode()) for i in ids], *(("GET", mark) for mark in self._store.marks.probes())
        )
        require_complete(marks)
        return [recipient_of(row) for row in rows if row is not None and stands(row)]
