"""Rows of the recipients table in batches, for imports: the topic first, then Redis, as for single writes.

No row is locked, because a lock a row would cost more than the row. In its place stand versions, and where another
writer was faster, its row is written to the topic once more, so that the newest stands last there too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.model.recipient import Choice, Recipient, row_bytes
from service.model.record import Message
from service.model.topics import TopicNames
from service.ports import Clock, LookupKeys, Publisher, Tables, TableWrites


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a batch. `repeated`: rows of an id that comes again in the batch; the last one counts."""

    written: int = 0
    unchanged: int = 0
    newer: int = 0
    repeated: int = 0


class RecipientImporter:
    """Writes whole rows; the same rows again change nothing. Every method raises Unavailable."""

    def __init__(
        self, tables: Tables, writes: TableWrites, publisher: Publisher, topics: TopicNames, clock: Clock
    ) -> None:
        self._tables = tables
        self._writes = writes
        self._publisher = publisher
        self._topic = topics.table("recipients")
        self._clock = clock

    async def put(self, rows: Sequence[Recipient]) -> ImportResult:
        """Write a batch of some thousand rows at most; their versions are given here."""
        last = {row.id: row for row in rows}
        standing = await self._standing(list(last))
        now = self._clock.now_ms()
        changed = [row for given in last.values() if (row := _newer(given, standing.get(given.id), now))]
        await self._publisher.publish(
            [Message(self._topic, row.id.encode(), row_bytes(row)) for row in changed]
        )
        written = await self._writes.put_recipients(changed) if changed else ()
        late = [row.id for row, taken in zip(changed, written, strict=True) if not taken]
        if late:
            await self._restate(late)
        return ImportResult(
            len(changed) - len(late), len(last) - len(changed), len(late), len(rows) - len(last)
        )

    async def _standing(self, ids: Sequence[str]) -> Mapping[str, Recipient]:
        """The rows as they stand; while the tables are being filled, none is known."""
        if await self._tables.incomplete() is not None:
            return {}
        return (await self._tables.lookup(LookupKeys(recipients=set(ids)))).recipients

    async def _restate(self, ids: Sequence[str]) -> None:
        """Write what stands to the topic again, after the older rows that were put there."""
        standing = await self._standing(ids)
        gone = (("version", str(self._clock.now_ms()).encode()),)
        await self._publisher.publish(
            [
                Message(self._topic, name.encode(), row_bytes(standing[name]))
                if name in standing
                else Message(self._topic, name.encode(), None, gone)
                for name in ids
            ]
        )


def _newer(given: Recipient, standing: Recipient | None, now_ms: int) -> Recipient | None:
    """The row with its version; None when it stands already. A choice that stands keeps its date."""
    known = standing.preferences if standing else {}
    preferences = {
        name: before
        if (before := known.get(name)) and before.on is choice.on
        else Choice(on=choice.on, since_ms=now_ms, by=choice.by)
        for name, choice in given.preferences.items()
    }
    version = standing.version if standing else 0
    row = given.model_copy(update={"preferences": preferences, "version": version})
    return None if row == standing else row.model_copy(update={"version": max(now_ms, version + 1)})
