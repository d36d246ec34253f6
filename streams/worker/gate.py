"""The gate of all stages: closed until Redis holds everything. Only a new installation opens it by itself."""

import asyncio
import logging
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.adapters.redis.tables.tables import RedisTables
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.topics.table import TOPICS

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0


class ReadinessGate:
    """Why nothing may be sent; None when it may.

    Where Redis has no mark and nothing was ever written to any topic of Tocsin's, there is nothing that could be
    missing: Redis is marked complete. Else an absent mark means lost data, and it stays closed until `rebuild`.
    """

    def __init__(self, tables: RedisTables, connection: KafkaConnection, prefix: str) -> None:
        self._tables = tables
        self._connection = connection
        self._topics = [prefix + topic.name for topic in TOPICS]
        self._looking = asyncio.Lock()
        self._next_look = 0.0

    async def __call__(self) -> str | None:
        """Raises Unavailable when Redis is away."""
        reason = await self._tables.incomplete()
        if reason is None or self._looking.locked():
            return reason
        async with self._looking:
            if not await self._fresh():
                return reason
            await self._tables.mark_complete()
        log.info("a new installation: Redis and all topics are empty")
        return None

    async def _fresh(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        return await self._tables.unmarked() and not await written(self._connection, self._topics)


async def written(connection: KafkaConnection, topics: Sequence[str]) -> bool:
    """Whether a record was ever written to one of these topics, as far as they exist. Raises Unavailable."""
    there = await partition_counts(connection)
    every = [TopicPartition(topic, n) for topic in topics for n in range(there.get(topic, 0))]
    if not every:
        return False
    consumer = AIOKafkaConsumer(**connection.arguments(), enable_auto_commit=False)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            return any((await consumer.end_offsets(every)).values())
    finally:
        await consumer.stop()
