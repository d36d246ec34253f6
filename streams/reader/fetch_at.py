"""Single records, fetched by partition and offset."""

from collections.abc import AsyncIterator, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.record import Record
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import reader
from streams.kafka.records import to_records

_POLL_MS = 500


async def fetch_at(
    connection: KafkaConnection, topic: str, positions: Iterable[tuple[int, int]]
) -> AsyncIterator[Record]:
    """Yield the records at these (partition, offset), without those that do not exist any more. Raise Unavailable."""
    count = (await partition_counts(connection)).get(topic, 0)
    offsets = [(TopicPartition(topic, n), offset) for n, offset in positions if 0 <= n < count]
    if not offsets:
        return
    client = reader(connection)
    try:
        async with kafka_errors(connection):
            await client.start()
            partitions = list(dict.fromkeys(tp for tp, _ in offsets))
            client.assign(partitions)
            begins, ends = await client.beginning_offsets(partitions), await client.end_offsets(partitions)
        for tp, offset in offsets:
            if begins[tp] <= offset < ends[tp]:
                async with kafka_errors(connection):
                    record = await _record_at(client, tp, offset)
                if record is not None:
                    yield record
    finally:
        await client.stop()


async def _record_at(client: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> Record | None:
    """Return the record at an offset; None where compaction or a transaction has left a gap."""
    client.seek(tp, offset)
    while await client.position(tp) <= offset:
        fetched = await client.getmany(tp, timeout_ms=_POLL_MS, max_records=1)
        for record in to_records(fetched.get(tp, ())):
            return record if record.offset == offset else None
    return None
