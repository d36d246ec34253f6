"""The readers that are not stages: the CLI, `rebuild`, and repairs."""

import time
import uuid

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer import consumer, fetcher
from aiokafka.record.memory_records import MemoryRecords

from service.model.topics import TopicNames
from streams.kafka.aiokafka_patches import BoundedFetcher, BoundedFetchResult, BoundedPartitionRecords
from streams.reader.fetch_at import fetch_at
from streams.reader.follow import follow
from streams.reader.merged_reader import BATCH_BYTES, MergedReader
from streams.reader.positions import KafkaPositions
from streams.topics.apply import apply
from tests.integration.streams.rig import Rig


@pytest.mark.parametrize("how", ["follow", "merged_reader", "fetch_at"])
async def test_a_header_name_that_is_not_utf8_stops_no_reader(
    kafka: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """One careless record of an upstream service must not prevent a rebuild of Redis. Each reader by itself."""
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    monkeypatch.setattr(fetcher, "PartitionRecords", BoundedPartitionRecords.__base__)
    monkeypatch.setattr(fetcher, "FetchResult", BoundedFetchResult.__base__)
    monkeypatch.setattr(consumer, "Fetcher", BoundedFetcher.__base__)
    rig = Rig(kafka)
    await rig.create(partitions=1)
    await rig.feed_careless(range(20), (7, 13))

    if how == "follow":
        records = [r async for r in follow(rig.connection, [rig.source], since_ms=0, until_end=True)]
    elif how == "merged_reader":
        records = [r async for batch in MergedReader(rig.connection, [rig.source]).batches() for r in batch]
    else:
        records = [r async for r in fetch_at(rig.connection, rig.source, ((0, n) for n in range(20)))]

    assert [int(record.value or b"") for record in records] == list(range(20))
    assert [record.offset for record in records if len(record.headers) > 1] == [7, 13]


async def test_a_catch_up_waits_for_records_and_for_nothing_else(kafka: str) -> None:
    """A question for the ends of logs waits neither behind a fetch (half a second) nor for each topic (a tenth)."""
    prefix = f"{uuid.uuid4().hex[:8]}."
    rig, topics = Rig(kafka), TopicNames(prefix)
    await rig.create()
    await apply(rig.connection, prefix, partitions=2, events=[])
    async with rig.producer() as producer:
        await rig.feed(producer, range(100))

    async def read() -> None:
        records = [r async for batch in MergedReader(rig.connection, [rig.source]).batches() for r in batch]
        assert len(records) == 100

    async def positions() -> None:
        async with KafkaPositions(rig.connection, topics) as reader:
            assert await reader.read(time.monotonic())

    for step in (read, positions):
        took_s: list[float] = []
        for _ in range(8):
            started = time.monotonic()
            await step()
            took_s.append(time.monotonic() - started)
        assert min(took_s) < 0.4, took_s


async def test_batches_of_large_records_are_small(kafka: str) -> None:
    """A rebuild parses a batch at once: 500 deliveries of a large event would fill the memory."""
    rig = Rig(kafka)
    await rig.create(partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(40):
            value = b"%d" % number + b" " * 200_000 * (number < 30)
            await producer.send(rig.source, value, partition=number % 2)
    batches = [batch async for batch in MergedReader(rig.connection, [rig.source]).batches()]
    assert sorted(int(record.value or b"") for batch in batches for record in batch) == list(range(40))
    assert all(sum(len(r.value or b"") for r in batch) <= BATCH_BYTES + 200_002 for batch in batches)
