"""Writes a few records and says where they went: for `tocsin publish`, not for stages (see `Producer`)."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from service.model.record import Message
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.producer.partition_queue import partition_of
from streams.reader.follow import UnknownTopic

_SECONDS = 30.0


class RecordPosition(NamedTuple):
    """Where a record is kept."""

    topic: str
    partition: int
    offset: int


async def publish_once(
    connection: KafkaConnection, topic: str, batches: Iterable[Sequence[Message]]
) -> AsyncGenerator[list[RecordPosition], None]:
    """The positions of each batch, once all in-sync replicas have it. Keys choose partitions as for stages.

    Idempotent: the client's own retries write nothing twice. Raises UnknownTopic, Unavailable.
    """
    if topic not in await partition_counts(connection):
        raise UnknownTopic(f"there is no topic {topic}")
    client = AIOKafkaProducer(
        **connection.arguments(), acks="all", enable_idempotence=True, partitioner=_partition
    )
    try:
        async with kafka_errors(connection):
            await client.start()
        for batch in batches:
            async with kafka_errors(connection, _SECONDS):
                sent = [await client.send(topic, m.value, key=m.key, headers=list(m.headers)) for m in batch]
                done = await asyncio.gather(*sent)
            yield [RecordPosition(metadata.topic, metadata.partition, metadata.offset) for metadata in done]
    finally:
        await client.stop()


def _partition(key: bytes | None, every: Sequence[int], _available: Sequence[int]) -> int:
    return every[partition_of(key or b"", len(every))]
