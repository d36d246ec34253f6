"""The readers that are not stages: the CLI, `rebuild`, and repairs."""

import pytest
from aiokafka.consumer import consumer, fetcher
from aiokafka.record.memory_records import MemoryRecords

from streams.kafka.aiokafka_patches import BoundedFetcher, BoundedFetchResult, BoundedPartitionRecords
from streams.reader.fetch_at import fetch_at
from streams.reader.follow import follow
from streams.reader.merged_reader import MergedReader
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
