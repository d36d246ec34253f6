"""A few records written with their positions returned: for `tocsin publish`. Stages write through `Producer`."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from service.model.record import Message
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.producer.partition_queue import partition_of
from streams.reader.follow import UnknownTopic

_TIMEOUT_S = 30.0


class RecordPosition(NamedTuple):
    """Topic, partition and offset of a record."""

    topic: str
    partition: int
    offset: int


async def publish_once(
    connection: KafkaConnection, topic: str, batches: Iterable[Sequence[Message]]
) -> AsyncGenerator[list[RecordPosition], None]:
    """Yield the positions of each batch once all in-sync replicas have it. Keys choose partitions as for stages.

    Idempotent: the client's own retries write nothing twice. Raise UnknownTopic, Unavailable.
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
            async with kafka_errors(connection, _TIMEOUT_S):
                sent = [await client.send(topic, m.value, key=m.key, headers=list(m.headers)) for m in batch]
                written = await asyncio.gather(*sent)
            yield [RecordPosition(one.topic, one.partition, one.offset) for one in written]
    finally:
        await client.stop()


def _partition(key: bytes | None, partitions: Sequence[int], _available: Sequence[int]) -> int:
    return partitions[partition_of(key or b"", len(partitions))]
