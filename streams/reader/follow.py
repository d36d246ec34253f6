"""Reads topics for people: outside any consumer group, from any place, for ever or until all is read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from service.model.record import Record
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import reader

_POLL_MS = 250
_STALLED_S = 30.0


class UnknownTopic(LookupError):
    """There is no topic of that name."""


async def follow(
    connection: KafkaConnection,
    topics: Sequence[str],
    *,
    since_ms: int | None = None,
    until_end: bool = False,
) -> AsyncGenerator[Record, None]:
    """Records of these topics, those of one partition in their order, the rest roughly by time.

    `since_ms`: from that time on (milliseconds since the epoch), 0 for all that is kept, None for what is written from
    now on. `until_end`: stop where the topics ended when reading began. Raises UnknownTopic, Unavailable.
    """
    there = await partition_counts(connection)
    if missing := [topic for topic in topics if topic not in there]:
        raise UnknownTopic(f"there is no topic {missing[0]}")
    assigned = [TopicPartition(topic, n) for topic in topics for n in range(there[topic])]
    consumer = reader(connection)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            consumer.assign(assigned)
            ends = await consumer.end_offsets(assigned)
            await _seek(consumer, ends, since_ms)
        left = dict(ends) if until_end else None
        async with kafka_errors(connection, None):
            async for record in _read(consumer, left):
                yield record
    finally:
        await consumer.stop()


async def _seek(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], since_ms: int | None) -> None:
    """Go to the place; a partition that has nothing since then is read from its end."""
    found = {}
    if since_ms:
        found = await consumer.offsets_for_times(dict.fromkeys(ends, since_ms))
    elif since_ms == 0:
        begins = await consumer.beginning_offsets(list(ends))
    for tp, end in ends.items():
        if since_ms == 0:
            consumer.seek(tp, begins[tp])
        else:
            consumer.seek(tp, found[tp].offset if found.get(tp) else end)


async def _read(consumer: AIOKafkaConsumer, left: dict[TopicPartition, int] | None) -> AsyncIterator[Record]:
    """`left` holds the offset at which each unfinished partition ends; None: there is no end."""
    loop = asyncio.get_running_loop()
    moved = loop.time()
    while left is None or await _drop_finished(consumer, left):
        fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=1000)
        found = [record for records in fetched.values() for record in records]
        for one in sorted(found, key=lambda record: record.timestamp):
            if left is None or one.offset < left.get(TopicPartition(one.topic, one.partition), 0):
                yield _record(one)
        if found or left is None:
            moved = loop.time()
        elif loop.time() - moved > _STALLED_S:
            raise Unavailable(
                f"Kafka has sent nothing for {_STALLED_S:.0f} s; {len(left)} partitions are unread"
            )


async def _drop_finished(consumer: AIOKafkaConsumer, left: dict[TopicPartition, int]) -> bool:
    """Whether anything is left to read; what is finished is paused."""
    for tp in [tp for tp, end in left.items() if await consumer.position(tp) >= end]:
        del left[tp]
        consumer.pause(tp)
    return bool(left)


def _record(one: "ConsumerRecord[bytes, bytes]") -> Record:
    return Record(one.topic, one.partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers))
