"""Topics read from a time on, outside any consumer group, to their end or for ever."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.record import Record
from service.ports import Positions
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import POLL_MS, StallGuard, reader
from streams.kafka.records import to_records


class UnknownTopic(LookupError):
    """The cluster has no topic of that name."""


async def follow(
    connection: KafkaConnection,
    topics: Sequence[str],
    *,
    since_ms: int | None = None,
    until_end: bool = False,
    on_start: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Record, None]:
    """Yield the records of topics, those of one partition in their order, all of them roughly by time.

    `since_ms`: start at that time (milliseconds since the epoch); 0: at the oldest record; None: at the present end.
    `until_end`: stop where the topics ended when reading began. `on_start` is called when reading begins. Raise
    UnknownTopic, Unavailable.
    """
    counts = await partition_counts(connection)
    if missing := [topic for topic in topics if topic not in counts]:
        raise UnknownTopic(f"there is no topic {missing[0]}")
    partitions = [TopicPartition(topic, n) for topic in topics for n in range(counts[topic])]
    consumer = reader(connection)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await _seek(consumer, ends, since_ms)
        unread = dict(ends) if until_end else None
        on_start()
        async with kafka_errors(connection, None):
            async for record in _read(consumer, unread):
                yield record
    finally:
        await consumer.stop()


async def follow_from(connection: KafkaConnection, start: Positions) -> AsyncGenerator[Record, None]:
    """Yield the records from these positions on, and for ever those that come. Raise Unavailable.

    A partition that no longer has its position is read from its beginning.
    """
    consumer = reader(connection)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            consumer.assign([TopicPartition(*place) for place in start])
            for place, offset in start.items():
                consumer.seek(TopicPartition(*place), offset)
        async with kafka_errors(connection, None):
            async for record in _read(consumer, None):
                yield record
    finally:
        await consumer.stop()


async def _seek(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], since_ms: int | None) -> None:
    """Seek every partition to the time; one that has no record since then is read from its end."""
    offsets = {}
    if since_ms:
        offsets = await consumer.offsets_for_times(dict.fromkeys(ends, since_ms))
    elif since_ms == 0:
        begins = await consumer.beginning_offsets(list(ends))
    for tp, end in ends.items():
        if since_ms == 0:
            consumer.seek(tp, begins[tp])
        else:
            consumer.seek(tp, offsets[tp].offset if offsets.get(tp) else end)


async def _read(
    consumer: AIOKafkaConsumer, unread: dict[TopicPartition, int] | None
) -> AsyncIterator[Record]:
    """Yield records. `unread` is the offset at which each unfinished partition ends; None: read for ever."""
    stall = StallGuard()
    while unread is None or await _drop_finished(consumer, unread):
        fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=1000)
        by_time = sorted((one for some in fetched.values() for one in some), key=lambda one: one.timestamp)
        for record in to_records(by_time):
            if unread is None or record.offset < unread.get(
                TopicPartition(record.topic, record.partition), 0
            ):
                yield record
        if by_time:
            stall.received()
        elif unread is not None:
            stall.check(len(unread))


async def _drop_finished(consumer: AIOKafkaConsumer, unread: dict[TopicPartition, int]) -> bool:
    """Pause the partitions that are read to their end; return whether any is left."""
    for tp in [tp for tp, end in unread.items() if await consumer.position(tp) >= end]:
        del unread[tp]
        consumer.pause(tp)
    return bool(unread)
