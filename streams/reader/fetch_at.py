"""Reads single records by where they are kept."""

from collections.abc import AsyncIterator, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.record import Record
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import reader

_POLL_MS = 500


async def fetch_at(
    connection: KafkaConnection, topic: str, places: Iterable[tuple[int, int]]
) -> AsyncIterator[Record]:
    """The records at these (partition, offset); one that is not there, or no more, is left out. Raises Unavailable."""
    there = (await partition_counts(connection)).get(topic, 0)
    wanted = [(TopicPartition(topic, n), offset) for n, offset in places if 0 <= n < there]
    if not wanted:
        return
    client = reader(connection)
    try:
        async with kafka_errors(connection):
            await client.start()
            every = list(dict.fromkeys(tp for tp, _ in wanted))
            client.assign(every)
            begins, ends = await client.beginning_offsets(every), await client.end_offsets(every)
        for tp, offset in wanted:
            if begins[tp] <= offset < ends[tp]:
                async with kafka_errors(connection):
                    found = await _at(client, tp, offset)
                if found is not None:
                    yield found
    finally:
        await client.stop()


async def _at(client: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> Record | None:
    """The record at an offset; None where compaction or a transaction has left a gap."""
    client.seek(tp, offset)
    while await client.position(tp) <= offset:
        for one in (await client.getmany(tp, timeout_ms=_POLL_MS, max_records=1)).get(tp, ()):
            if one.offset != offset:
                return None
            return Record(
                tp.topic, tp.partition, offset, one.timestamp, one.key, one.value, tuple(one.headers)
            )
    return None
