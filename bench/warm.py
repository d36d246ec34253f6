"""Warm-up of a broker: a JVM that has just started interprets its code, at some ten times the cost per request.

A broker in production has compiled its hot code long ago. Without a warm-up, most of Kafka's CPU in a run of a few
seconds is the compiler's, and the side with fewer and larger requests is measured against a colder broker.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

_TOPIC = "bench.warm"
_PARTITIONS, _ROUNDS, _RECORDS = 4, 800, 25


async def warm(bootstrap: str) -> None:
    """Produce and fetch a few thousand times, which takes some seconds."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(_TOPIC, _PARTITIONS, 1)])
    await admin.close()
    await asyncio.gather(
        *(_produce_and_fetch(bootstrap, TopicPartition(_TOPIC, n)) for n in range(_PARTITIONS))
    )


async def _produce_and_fetch(bootstrap: str, tp: TopicPartition) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    consumer.assign([tp])
    async with producer, consumer:
        for _ in range(_ROUNDS):
            batch = producer.create_batch()
            for _ in range(_RECORDS):
                batch.append(key=b"key", value=bytes(350), timestamp=None)
            await (await producer.send_batch(batch, tp.topic, partition=tp.partition))
            await consumer.getmany(tp, timeout_ms=200)
