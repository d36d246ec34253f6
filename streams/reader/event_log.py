"""Events as Kafka keeps them, for `explain` and `what-if`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from service.model.record import Record
from service.settings import KafkaSettings
from streams.kafka.connection import KafkaConnection
from streams.reader.follow import follow
from streams.reader.record_log import KafkaRecordLog


class KafkaEventLog:
    """The EventLog port on the upstream services' topics."""

    def __init__(self, connection: KafkaConnection, kafka: KafkaSettings) -> None:
        self._connection = connection
        self._kafka = kafka

    async def since(self, since_ms: int) -> AsyncIterator[Record]:
        """Yield the records from that time (ms) on, up to the present end. Raise Unavailable, UnknownTopic."""
        topics = await self._topics()
        reading = follow(self._connection, topics, since_ms=since_ms, until_end=True)
        async with aclosing(reading):
            async for record in reading:
                yield record

    async def _topics(self) -> Sequence[str]:
        if not self._kafka.events_pattern:
            return self._kafka.events
        matching = await KafkaRecordLog(self._connection).matching(self._kafka.events_pattern)
        return list(dict.fromkeys([*self._kafka.events, *matching]))
