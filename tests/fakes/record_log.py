"""A fake of the RecordLog port."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from service.model.record import Record
from service.ports import Positions, Unavailable


class FakeRecordLog:
    """The port over records in memory.

    `records_of` returns the records of a topic in the order in which they were written, None where there is no such
    topic.
    """

    def __init__(self, records_of: Callable[[str], Sequence[Record] | None]) -> None:
        self._records_of = records_of

    async def at(self, topic: str, positions: Sequence[tuple[int, int]]) -> AsyncIterator[Record]:
        """Yield the records at these positions."""
        for record in self._records_of(topic) or ():
            if (record.partition, record.offset) in positions:
                yield record

    async def since(self, topics: Sequence[str], since_ms: int = 0) -> AsyncIterator[Record]:
        """Yield the records since a time."""
        found = [record for topic in topics for record in self._existing(topic)]
        for record in sorted(found, key=lambda one: one.timestamp_ms):
            if record.timestamp_ms >= since_ms:
                yield record

    async def matching(self, pattern: str) -> Sequence[str]:
        """Return no topics: the port's records are found by name."""
        return []

    async def ends(self, topics: Sequence[str], at_ms: int | None = None) -> Positions:
        """Return where each partition ends, now or at a time; an empty topic has one partition."""
        ends: dict[tuple[str, int], int] = {}
        for topic in topics:
            ends.setdefault((topic, 0), 0)
            for record in self._existing(topic):
                if at_ms is None or record.timestamp_ms < at_ms:
                    ends[topic, record.partition] = record.offset + 1
        return ends

    async def newest(self, before: Positions) -> AsyncGenerator[Record, None]:
        """Yield the records before these positions, newest first."""
        found = [
            record
            for topic in dict.fromkeys(topic for topic, _ in before)
            for record in self._existing(topic)
            if record.offset < before.get((topic, record.partition), 0)
        ]
        for record in sorted(found, key=lambda one: (one.timestamp_ms, one.offset), reverse=True):
            yield record

    async def follow(self, start: Positions) -> AsyncGenerator[Record, None]:
        """Yield the records from these positions on, and those that come."""
        positions = dict(start)
        while True:
            for topic, partition in start:
                for record in self._existing(topic):
                    if record.partition == partition and record.offset >= positions[topic, partition]:
                        positions[topic, partition] = record.offset + 1
                        yield record
            await asyncio.sleep(0.01)

    def _existing(self, topic: str) -> Sequence[Record]:
        records = self._records_of(topic)
        if records is None:
            raise Unavailable(f"there is no topic {topic}; create it with `tocsin topics apply`")
        return records
