"""Bulk writes of the recipients table, for imports: publish to the topic, then store in Redis, as single writes do.

Rows are not locked, because one lock per row would cost more than the row. Versions take the place of the lock: where
another writer was faster, its row is published once more, so that the newest row is the last on the topic too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.model.recipient import Recipient, row_bytes
from service.model.record import Message
from service.model.topics import TopicNames
from service.ports import Clock, LookupKeys, Publisher, Tables, TableWrites


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Counts of one batch. `newer`: rows that a newer stored row beat; `repeated`: earlier rows of a repeated id."""

    written: int = 0
    unchanged: int = 0
    newer: int = 0
    repeated: int = 0


class RecipientImporter:
    """Writer of whole recipient rows, preferences included; the same rows again change nothing."""

    def __init__(
        self, tables: Tables, writes: TableWrites, publisher: Publisher, topics: TopicNames, clock: Clock
    ) -> None:
        self._tables = tables
        self._writes = writes
        self._publisher = publisher
        self._topic = topics.table("recipients")
        self._clock = clock

    async def put(self, rows: Sequence[Recipient]) -> ImportResult:
        """Write a batch of a few thousand rows at most; the versions are set here. Raise Unavailable."""
        last = {row.id: row for row in rows}
        stored = await self._stored(list(last))
        now = self._clock.now_ms()
        changed = [row for new in last.values() if (row := _versioned(new, stored.get(new.id), now))]
        # Publish before store: a row that only Redis has would be lost with it, since a rebuild reads the topic.
        await self._publisher.publish(
            [Message(self._topic, row.id.encode(), row_bytes(row)) for row in changed]
        )
        written = await self._writes.put_recipients(changed) if changed else ()
        late = [row.id for row, done in zip(changed, written, strict=True) if not done]
        if late:
            await self._republish(late)
        return ImportResult(
            len(changed) - len(late), len(last) - len(changed), len(late), len(rows) - len(last)
        )

    async def _stored(self, ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return the stored rows; none while the tables are incomplete."""
        if await self._tables.incomplete() is not None:
            return {}
        return (await self._tables.lookup(LookupKeys(recipients=set(ids)))).recipients

    async def _republish(self, ids: Sequence[str]) -> None:
        """Publish the stored rows of these ids again, or tombstones, behind the older rows just published.

        Compaction keeps the last record of a key: without this it would keep the older row.
        """
        stored = await self._stored(ids)
        headers = (("version", str(self._clock.now_ms()).encode()),)
        await self._publisher.publish(
            [
                Message(self._topic, recipient.encode(), row_bytes(stored[recipient]))
                if recipient in stored
                else Message(self._topic, recipient.encode(), None, headers)
                for recipient in ids
            ]
        )


def _versioned(new: Recipient, stored: Recipient | None, now_ms: int) -> Recipient | None:
    """Return the row with its version; None when it equals the stored row. An unchanged choice keeps its date."""
    known = stored.preferences if stored else {}
    preferences = {
        key: choice.model_copy(update={"since_ms": now_ms}).replacing(known.get(key))
        for key, choice in new.preferences.items()
    }
    version = stored.version if stored else 0
    row = new.model_copy(update={"preferences": preferences, "version": version})
    return None if row == stored else row.model_copy(update={"version": max(now_ms, version + 1)})
