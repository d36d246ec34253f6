"""Spec of the RecordLog port."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer

from service.model.record import Record
from service.ports import RecordLog, Unavailable
from streams.reader.record_log import KafkaRecordLog
from tests.fakes.record_log import FakeRecordLog
from tests.integration.streams.rig import Rig

MANY = 3000
BEGAN_MS = int(time.time() * 1000) - 600_000


@dataclass(frozen=True)
class Case:
    """A log with one topic. `fill(first, count)` writes numbered records, a millisecond apart, to three partitions."""

    log: RecordLog
    topic: str
    fill: Callable[[int, int], Awaitable[None]]

    async def numbers_after(self, positions: dict[tuple[str, int], int], count: int) -> list[Record]:
        """Return so many records before some positions, and move the positions."""
        async with aclosing(self.log.newest(positions)) as records:
            page = [await anext(records) for _ in range(count)]
        for record in page:
            positions[record.topic, record.partition] = record.offset
        return page


def numbers(records: list[Record]) -> list[int]:
    """Return the numbers in records."""
    return [int(record.value or b"") for record in records]


@pytest.fixture(params=["memory", "kafka"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    """A log in memory, and one on a real broker."""
    if request.param == "memory":
        records: list[Record] = []

        async def remember(first: int, count: int) -> None:
            records.extend(
                Record("t", n % 3, n // 3, BEGAN_MS + n, None, b"%d" % n) for n in range(first, first + count)
            )

        yield Case(FakeRecordLog({"t": records}.get), "t", remember)
        return
    rig = Rig(request.getfixturevalue("kafka"))
    await rig.create(partitions=4)  # one stays empty
    async with AIOKafkaProducer(bootstrap_servers=rig.connection.bootstrap) as producer:

        async def write(first: int, count: int) -> None:
            for n in range(first, first + count):
                await producer.send(rig.source, b"%d" % n, partition=n % 3, timestamp_ms=BEGAN_MS + n)
            await producer.flush()

        yield Case(KafkaRecordLog(rig.connection), rig.source, write)


async def test_the_newest_come_first(case: Case) -> None:
    """Of all partitions together, to the very first one, whatever comes meanwhile."""
    await case.fill(0, MANY)
    ends = await case.log.ends([case.topic])
    assert sum(ends.values()) == MANY
    await case.fill(MANY, 10)

    assert numbers([record async for record in case.log.newest(ends)]) == list(reversed(range(MANY)))


async def test_a_page_goes_on_where_the_last_one_ended(case: Case) -> None:
    """A reader keeps the offset of the last record of each partition that it took."""
    await case.fill(0, 500)
    positions, found = dict(await case.log.ends([case.topic])), list[Record]()
    while len(found) < 500:
        found += await case.numbers_after(positions, min(70, 500 - len(found)))

    assert numbers(found) == list(reversed(range(500)))
    assert [record async for record in case.log.newest(positions)] == []


async def test_the_records_since_a_time(case: Case) -> None:
    """Up to the present end, and single ones by position."""
    await case.fill(0, 30)

    recent = [record async for record in case.log.since([case.topic], BEGAN_MS + 20)]
    assert sorted(numbers(recent)) == list(range(20, 30))
    chosen = [(one.partition, one.offset) for one in recent if one.value in (b"22", b"25")]
    found = [record async for record in case.log.at(case.topic, [*chosen, (0, 99), (9, 0)])]
    assert sorted(numbers(found)) == [22, 25]


async def test_where_a_topic_ended(case: Case) -> None:
    """Before the first record since a time; at its end where there is none."""
    await case.fill(0, 30)

    then = await case.log.ends([case.topic], BEGAN_MS + 20)
    assert numbers([record async for record in case.log.newest(then)]) == list(reversed(range(20)))
    assert await case.log.ends([case.topic], BEGAN_MS + 30) == await case.log.ends([case.topic])


async def test_a_follower_begins_at_its_positions(case: Case) -> None:
    """And then gets what comes."""
    await case.fill(0, 30)
    ends = await case.log.ends([case.topic])
    start = {place: max(0, offset - 2) for place, offset in ends.items()}
    async with aclosing(case.log.follow(start)) as records:
        assert {int((await anext(records)).value or b"") for _ in range(6)} == set(range(24, 30))
        coming = asyncio.ensure_future(anext(records))
        await case.fill(30, 1)
        assert (await coming).value == b"30"


async def test_a_topic_that_does_not_exist(case: Case) -> None:
    """The error says what to do."""
    with pytest.raises(Unavailable, match="there is no topic nope; create it with `tocsin topics apply`"):
        await case.log.ends(["nope"])
    with pytest.raises(Unavailable, match="there is no topic nope; create it with `tocsin topics apply`"):
        _ = [record async for record in case.log.since(["nope"])]
