"""Records as Kafka keeps them, for operators' tools: by position, since a time, backwards, or as they come."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from aiokafka import TopicPartition

from service.model.record import Record
from service.ports import Positions, Unavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import ends_of, reader
from streams.reader.fetch_at import fetch_at
from streams.reader.follow import UnknownTopic, follow, follow_from
from streams.reader.newest_first import newest_first


class KafkaRecordLog:
    """The RecordLog port."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    def at(self, topic: str, positions: Sequence[tuple[int, int]]) -> AsyncIterator[Record]:
        """Yield the records at these (partition, offset), without those that are gone. Raise Unavailable."""
        return fetch_at(self._connection, topic, positions)

    async def since(self, topics: Sequence[str], since_ms: int = 0) -> AsyncIterator[Record]:
        """Yield the records since a time (ms), roughly by time, up to the present ends. Raise Unavailable."""
        reading = follow(self._connection, topics, since_ms=since_ms, until_end=True)
        try:
            async with aclosing(reading):
                async for record in reading:
                    yield record
        except UnknownTopic as error:
            raise _unavailable(str(error)) from error

    async def matching(self, pattern: str) -> Sequence[str]:
        """Return the topics whose names match a regular expression from their beginning. Raise Unavailable."""
        matches = re.compile(pattern).match
        return sorted(filter(matches, await partition_counts(self._connection)))

    async def ends(self, topics: Sequence[str], at_ms: int | None = None) -> Positions:
        """Return where each partition ends now, or before its first record since a time (ms). Raise Unavailable."""
        counts = await partition_counts(self._connection)
        if missing := [topic for topic in topics if topic not in counts]:
            raise _unavailable(f"there is no topic {missing[0]}")
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(counts[topic])]
        client = reader(self._connection)
        try:
            async with kafka_errors(self._connection):
                await client.start()
                ends = dict(await ends_of(client, partitions))
                if at_ms is not None:
                    found = await client.offsets_for_times(dict.fromkeys(partitions, max(1, at_ms)))
                    ends |= {tp: first.offset for tp, first in found.items() if first is not None}
        finally:
            await client.stop()
        return {(tp.topic, tp.partition): offset for tp, offset in ends.items()}

    def newest(self, before: Positions) -> AsyncGenerator[Record, None]:
        """Yield the records before these positions, newest first. Raise Unavailable."""
        return newest_first(self._connection, before)

    def follow(self, start: Positions) -> AsyncGenerator[Record, None]:
        """Yield the records from these positions on, and for ever those that come. Raise Unavailable."""
        return follow_from(self._connection, start)


def _unavailable(problem: str) -> Unavailable:
    return Unavailable(f"{problem}; create it with `tocsin topics apply`")
