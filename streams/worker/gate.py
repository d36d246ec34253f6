"""The readiness gate of all stages: closed until Redis is complete. A new installation opens it by itself."""

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.topics import TopicNames
from service.ports import Completeness
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.topics.table import TOPICS

log = structlog.get_logger(__name__)

_CHECK_INTERVAL_S = 5.0


class ReadinessGate:
    """The reason why nothing may be sent; None when stages may run.

    Where Redis has no completeness marker and no topic of Tocsin's was ever written to, nothing can be missing: the
    marker is set. Otherwise an absent marker means lost data, and the gate stays closed until `tocsin rebuild`.
    """

    def __init__(self, completeness: Completeness, connection: KafkaConnection, prefix: str) -> None:
        self._completeness = completeness
        self._connection = connection
        self._topics = [prefix + topic.name for topic in TOPICS]
        self._checking = asyncio.Lock()
        self._next_check_s = 0.0

    async def __call__(self) -> str | None:
        """Return why the stages must not run, or None. Raise Unavailable when Redis does not answer."""
        reason = await self._completeness.incomplete()
        if reason is None or self._checking.locked():
            return reason
        async with self._checking:
            if not await self._is_new_installation():
                return reason
            await self._completeness.mark_complete()
        log.info("new_installation")
        return None

    async def _is_new_installation(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._next_check_s:
            return False
        self._next_check_s = now_s + _CHECK_INTERVAL_S
        return await self._completeness.unmarked() and not await any_record_written(
            self._connection, self._topics
        )


async def nothing_dispatched(connection: KafkaConnection, topics: TopicNames) -> bool:
    """Return whether no delivery was ever dispatched. Raise Unavailable."""
    return not await any_record_written(connection, [*topics.dispatches(), topics.outcomes])


async def any_record_written(connection: KafkaConnection, topics: Sequence[str]) -> bool:
    """Return whether a record was ever written to one of these topics, as far as they exist. Raise Unavailable."""
    counts = await partition_counts(connection)
    partitions = [TopicPartition(topic, n) for topic in topics for n in range(counts.get(topic, 0))]
    if not partitions:
        return False
    consumer = AIOKafkaConsumer(**connection.arguments(), enable_auto_commit=False)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            return any((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()
