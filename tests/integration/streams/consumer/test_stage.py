"""The stage on a real broker: every record comes out whatever fails, and only once when nothing does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
import structlog.testing
from aiokafka import AIOKafkaProducer

from service.model.record import Done, Message, Record
from service.model.worker import StageState
from service.ports import Unavailable
from streams.producer.producer import Producer
from tests.integration.streams.rig import QUICK, Rig
from tests.support.wait import eventually


@pytest.fixture
async def rig(kafka: str) -> Rig:
    """Topics of this test's own."""
    rig = Rig(kafka)
    await rig.create()
    return rig


async def test_passes_everything_on_once_and_commits_it(rig: Rig) -> None:
    """On a good day each record comes out once, and the end of every partition is committed."""
    async with rig.producer() as producer:
        await rig.feed(producer, range(3000))
        async with rig.stage(rig.through, producer) as stage:
            await eventually(lambda: stage.health().finished == 3000)

    assert await rig.count(rig.sink) == dict.fromkeys(range(3000), 1)
    assert await rig.committed(rig.source) == 3000


async def test_an_exception_in_the_body_loses_nothing(rig: Rig) -> None:
    """A handler that raises within some batches is called again, without the records that it had finished."""
    failed: set[bytes] = set()

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        for record in records:
            assert record.value is not None
            if int(record.value) % 97 == 0 and record.value not in failed and len(records) > 1:
                failed.add(record.value)
                raise RuntimeError("in the body")
            yield Done([record], [rig.on(record)])

    async with rig.producer() as producer:
        await rig.feed(producer, range(1000))
        async with rig.stage(handler, producer) as stage:
            await eventually(lambda: stage.health().finished == 1000)

    numbers = await rig.count(rig.sink)
    assert failed
    assert set(numbers) == set(range(1000))
    assert not await rig.count(rig.dead)


async def test_a_bad_record_becomes_a_dead_letter_and_the_others_pass(rig: Rig) -> None:
    """One record in a hundred raises always: those become dead letters, all others are passed on, once."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        if any(int(record.value or b"") % 100 == 7 for record in records):
            raise ValueError("bad")
        async for done in rig.through(records):
            yield done

    async with rig.producer() as producer:
        await rig.feed(producer, range(1000))
        async with rig.stage(handler, producer) as stage:
            await eventually(lambda: stage.health().finished == 1000)
            await eventually(lambda: stage.health().dead == 10)

    assert await rig.count(rig.dead) == dict.fromkeys(range(7, 1000, 100), 1)
    assert await rig.count(rig.sink) == {i: 1 for i in range(1000) if i % 100 != 7}
    assert await rig.committed(rig.source) == 1000


async def test_reads_the_topics_that_match_a_pattern(rig: Rig) -> None:
    """A pattern is matched against whole names: the source is read, the sink and the dead letters are not."""
    async with rig.producer() as producer:
        await rig.feed(producer, range(100))
        async with rig.stage(rig.through, producer, pattern=rf"{rig.name}\.sour.e") as stage:
            await eventually(lambda: stage.health().finished == 100)

    assert await rig.count(rig.sink) == dict.fromkeys(range(100), 1)


@pytest.mark.parametrize("codec", [0, 1])
async def test_a_header_name_that_is_not_utf8_stops_no_partition(rig: Rig, codec: int) -> None:
    """A record that aiokafka cannot read comes out like its neighbours, its odd header name spelt in escapes."""
    names: dict[int, list[str]] = {}

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        names.update({int(record.value or b""): [name for name, _ in record.headers] for record in records})
        yield Done(records)

    await rig.feed_careless(range(30), (13, 17), codec)

    async with rig.producer() as producer, rig.stage(handler, producer) as stage:
        await eventually(lambda: stage.health().finished == 30)

    odd = ["ce_id", r"\xff\xfe"]
    assert names == {i: odd if i in (13, 17) else ["ce_id"] for i in range(30)}
    assert await rig.committed(rig.source) == 30


async def test_a_record_whose_dead_letter_cannot_be_written_is_not_finished(rig: Rig) -> None:
    """While the dead letter fails nothing is committed past the record and the reason is shown; then it resumes."""
    broken = True

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        raise ValueError("bad")
        yield Done(records)

    def to_dead_letter(record: Record, error: Exception) -> Sequence[Message]:
        return [Message(rig.dead, b"", b"x" * 2_000_000)] if broken else rig.dead_letter(record, error)

    async with rig.producer() as producer:
        await rig.feed(producer, range(1))
        async with rig.stage(handler, producer, to_dead_letter=to_dead_letter) as stage:
            await eventually(lambda: stage.health().state is StageState.paused)
            assert "dead letter" in (stage.health().reason or "")
            assert await rig.committed(rig.source) == 0
            broken = False
            await eventually(lambda: stage.health().finished == 1)

    assert await rig.count(rig.dead) == {0: 1}


async def test_a_message_that_is_too_large_is_that_records_fault_only(rig: Rig) -> None:
    """A record that causes a message over Kafka's limit becomes a dead letter; its batch continues."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done(
            records,
            [rig.on(r) if r.value != b"5" else Message(rig.sink, b"", b"x" * 2_000_000) for r in records],
        )

    async with rig.producer() as producer:
        await rig.feed(producer, range(50))
        async with rig.stage(handler, producer) as stage:
            await eventually(lambda: stage.health().finished == 50)

    assert await rig.count(rig.dead) == {5: 1}
    assert set(await rig.count(rig.sink)) == set(range(50)) - {5}


async def test_pauses_while_a_dependency_is_unavailable_and_resumes(rig: Rig) -> None:
    """`Unavailable` pauses the stage with its reason, finishes nothing, kills no record; then everything comes out."""
    unavailable = True

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        if unavailable:
            raise Unavailable("Redis is unavailable")
        async for done in rig.through(records):
            yield done

    async with rig.producer() as producer:
        await rig.feed(producer, range(1000))
        async with rig.stage(handler, producer) as stage:
            await eventually(lambda: stage.health().reason == "Redis is unavailable")
            assert stage.health().state is StageState.paused
            assert stage.alive()
            assert stage.health().finished == 0
            unavailable = False
            await eventually(lambda: stage.health().finished == 1000)
            await eventually(lambda: stage.health().state is StageState.running)

    assert await rig.count(rig.sink) == dict.fromkeys(range(1000), 1)
    assert not await rig.count(rig.dead)


async def test_does_not_run_before_it_is_ready(rig: Rig) -> None:
    """While the readiness check gives a reason nothing is handled and the reason is shown; afterwards everything is."""
    reason: str | None = "the tables are not complete"

    async def readiness() -> str | None:
        return reason

    async with rig.producer() as producer:
        await rig.feed(producer, range(100))
        async with rig.stage(rig.through, producer, readiness=readiness) as stage:
            await eventually(lambda: stage.health().reason == "the tables are not complete")
            await eventually(lambda: bool(stage._session and stage._session.assigned))
            assert stage.health().finished == 0
            reason = None
            await eventually(lambda: stage.health().finished == 100)


async def test_transaction_markers_and_aborted_records_are_no_obstacle(rig: Rig) -> None:
    """Offsets that no record fills are committed past, aborted records are not handled, out of order or not."""
    writer = AIOKafkaProducer(**rig.connection.arguments(), transactional_id=rig.name)
    await writer.start()
    for start in range(0, 600, 50):
        await writer.begin_transaction()
        for i in range(start, start + 50):
            await writer.send(rig.source, b"%d" % i, key=b"k%d" % (i % 7))
        if start % 100:
            await writer.abort_transaction()
        else:
            await writer.commit_transaction()
    await writer.stop()
    kept = {i for i in range(600) if not i // 50 % 2}

    async def backwards(records: Sequence[Record]) -> AsyncIterator[Done]:
        for record in reversed(records):
            yield Done([record], [rig.on(record)])

    async with rig.producer() as producer, rig.stage(backwards, producer) as stage:
        await eventually(lambda: stage.health().finished == len(kept))
        await eventually(lambda: stage.health().lag != {} and not any(stage.health().lag.values()))

    assert await rig.count(rig.sink) == dict.fromkeys(kept, 1)
    async with rig.producer() as producer, rig.stage(rig.through, producer) as stage:
        await eventually(lambda: len(stage.health().lag) == 4 and not any(stage.health().lag.values()))
        assert stage.health().finished == 0


async def test_a_slow_record_holds_neither_others_up_nor_is_committed_past(rig: Rig) -> None:
    """All records behind a slow one are handled; the commit stays before it, so it is read again after a stop."""
    release = asyncio.Event()

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        quick = [record for record in records if record.value != b"0"]
        yield Done(quick, [rig.on(record) for record in quick])
        if len(quick) < len(records):
            await release.wait()
            raise AssertionError("was waited for")

    limits = replace(QUICK, drain_s=0.2)
    async with rig.producer() as producer:
        await rig.feed(producer, range(2000), keys=2000)
        async with rig.stage(handler, producer, limits=limits) as stage:
            await eventually(lambda: stage.health().finished == 1999)
            assert stage.health().in_flight == 1
        slow_partition = await rig.committed(rig.source)
        assert slow_partition < 2000
        async with rig.stage(rig.through, producer) as stage:
            await eventually(lambda: stage.health().finished == 2000 - slow_partition)

    assert (await rig.count(rig.sink))[0] == 1
    assert set(await rig.count(rig.sink)) == set(range(2000))


async def test_records_of_one_key_are_handled_in_order_and_never_together(rig: Rig) -> None:
    """With many batches at once, the records of a key come out in the order in which they went in."""
    busy: set[bytes] = set()
    order: dict[bytes, list[int]] = {}

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        keys = {record.key or b"" for record in records}
        assert not keys & busy
        busy.update(keys)
        for record in records:
            order.setdefault(record.key or b"", []).append(int(record.value or b""))
        await asyncio.sleep(0)
        busy.difference_update(keys)
        yield Done(records)

    async with rig.producer() as producer:
        await rig.feed(producer, range(5000), keys=23)
        async with rig.stage(
            handler, producer, limits=replace(QUICK, max_records=10, max_batches=8)
        ) as stage:
            await eventually(lambda: stage.health().finished == 5000)

    assert not await rig.count(rig.dead)
    assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_one_record_to_a_hundred_thousand_messages_stays_bounded(rig: Rig) -> None:
    """A large fan-out is written in pieces: memory stays bounded, the stage stays in its group, nothing is missing."""
    process = psutil.Process()
    peak = 0

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        nonlocal peak
        for start in range(0, 100_000, 1000):
            piece = [Message(rig.sink, b"%d" % i, b"%-300d" % i) for i in range(start, start + 1000)]
            peak = max(peak, process.memory_info().rss)
            yield Done((), piece)
        yield Done(records)

    async with rig.producer() as producer:
        await rig.feed(producer, range(1))
        before = process.memory_info().rss
        async with rig.stage(handler, producer) as stage:
            await eventually(lambda: stage.health().finished == 1, 60)

    assert await rig.count(rig.sink) == dict.fromkeys(range(100_000), 1)
    assert await rig.committed(rig.source) == 1
    assert peak - before < 60 * 1024 * 1024


async def test_records_that_arrive_with_an_assignment_are_handled_once(rig: Rig) -> None:
    """A poll may return records of a partition that was assigned during it; it is read from its start only once."""
    async with rig.producer() as producer:
        over = asyncio.Event()
        feeding = asyncio.create_task(_feed_slowly(rig, producer, over))
        with structlog.testing.capture_logs() as lines:
            async with rig.stage(rig.through, producer):
                for _ in range(4):
                    async with rig.stage(rig.through, producer) as second:
                        await eventually(lambda second=second: second.health().finished > 0)
                over.set()
                count = await feeding
                await rig.counted(rig.sink, count)

    assert "partition_truncated" not in {line["event"] for line in lines}
    assert await rig.count(rig.sink) == dict.fromkeys(range(count), 1)


async def _feed_slowly(rig: Rig, producer: Producer, over: asyncio.Event) -> int:
    """Write records until `over` is set, and at least 6000; return how many."""
    count = 0
    while not over.is_set() or count < 6000:
        await rig.feed(producer, range(count, count + 50))
        count += 50
        await asyncio.sleep(0.05)
    return count


async def test_cancelling_a_stage_finishes_nothing(rig: Rig) -> None:
    """A stage whose handler outlasts the drain is cancelled: what it had not finished is not committed."""
    started = asyncio.Event()

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        started.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        yield Done(())

    async with rig.producer() as producer:
        await rig.feed(producer, range(100))
        async with rig.stage(handler, producer, limits=replace(QUICK, drain_s=0.1)):
            await started.wait()

    assert await rig.committed(rig.source) == 0


async def test_liveness_fails_when_work_does_not_move(rig: Rig) -> None:
    """A handler that hangs without a known reason makes the liveness check fail."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        await asyncio.sleep(3600)
        yield Done(records)

    async with rig.producer() as producer:
        await rig.feed(producer, range(10))
        limits = replace(QUICK, stalled_after_s=4.0, drain_s=0.1)
        async with rig.stage(handler, producer, limits=limits) as stage:
            await eventually(lambda: stage.health().in_flight > 0)
            assert stage.alive()
            await eventually(lambda: not stage.alive())
            assert stage.health().oldest_in_flight_s > 1
