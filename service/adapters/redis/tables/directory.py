"""The recipients table in id order."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import require_complete
from service.adapters.redis.tables.rows import is_current, recipient_of
from service.adapters.redis.tables.writes import ALL_RECIPIENTS
from service.adapters.redis.unreadable_rows import readable
from service.model.recipient import Recipient


class RedisRecipientDirectory:
    """Implements the RecipientDirectory port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        """Return at most `limit` rows whose ids come after `after` by their UTF-8 bytes. Raise Unavailable."""
        keys = self._store.keys
        begin = f"({after}" if after else "-"
        (ids,) = await self._store.pipeline(
            [("ZRANGEBYLEX", keys.role_members(ALL_RECIPIENTS), begin, "+", "LIMIT", 0, limit)]
        )
        read_marks = (("GET", mark) for mark in self._store.completeness_marks.sample())
        rows, marks = await self._store.fetch([keys.recipient(i.decode()) for i in ids], *read_marks)
        require_complete(marks)
        current = filter(is_current, rows)
        return [row for stored in current if (row := readable("recipients", recipient_of, stored))]
