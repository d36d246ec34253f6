"""One batch: what finishes records, what does not, and the search for a bad one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from service.model.record import Done, Handler, Message, Record
from service.ports import Unavailable
from streams.consumer.batch import RecordBatch, StageConfig
from streams.consumer.limits import StageLimits
from streams.consumer.partition import Partition
from streams.faults.points import no_fault
from tests.support.kafka_records import consumer_records

LIMITS = StageLimits(retry_first_s=0.001, retry_most_s=0.002, max_produces=2)


@dataclass
class Kafka:
    """A publisher that acknowledges messages while it is open, and fails `unavailable` times."""

    written: list[bytes | None] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    unavailable: int = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write messages, as the producer does."""
        await self.open.wait()
        if self.unavailable > 0:
            self.unavailable -= 1
            raise Unavailable("Kafka is unavailable")
        self.written += [message.value for message in messages]


def batch(
    handler: Handler, kafka: Kafka | None = None, count: int = 8
) -> tuple[RecordBatch, Partition, Kafka]:
    """A batch of records whose values are their offsets, from one partition."""
    partition = Partition()
    partition.accept(
        [record for o in range(count) for record in consumer_records("t", 0, [o], value=b"%d" % o)]
    )
    if kafka is None:
        kafka = Kafka()
        kafka.open.set()
    config = StageConfig(
        handler,
        lambda record, _: [message(b"dead " + (record.value or b""))],
        kafka,
        LIMITS,
        no_fault,
    )
    return (
        RecordBatch([(partition, partition.take(count, 1 << 20))], config, lambda finished: None),
        partition,
        kafka,
    )


def message(value: bytes | None) -> Message:
    """A message with a value."""
    return Message("out", b"k", value)


async def test_a_record_is_not_finished_before_its_messages_are_acknowledged() -> None:
    """The handler has ended, yet nothing may be committed while Kafka has not answered."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        for record in records:
            yield Done([record], [message(record.value)])

    made, partition, kafka = batch(handler, Kafka(), count=2)
    run = asyncio.create_task(made.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert partition.offsets.committable is None
    kafka.open.set()
    await run
    assert partition.offsets.committable == 2


async def test_records_without_messages_wait_for_those_before_them() -> None:
    """A last outcome without messages finishes only when the pieces before it are acknowledged."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done((), [message(b"1")])
        yield Done(records)

    made, partition, kafka = batch(handler, Kafka())
    run = asyncio.create_task(made.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert partition.offsets.unfinished == 8
    kafka.open.set()
    await run
    assert partition.offsets.committable == 8


async def test_a_handler_does_not_run_far_ahead_of_the_acknowledgements() -> None:
    """Backpressure: an endless fan-out has `max_produces` writes in flight and no more."""
    yielded = 0

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        nonlocal yielded
        for _ in range(100):
            yielded += 1
            yield Done((), [message(b"1")])
        yield Done(records)

    made, _, kafka = batch(handler, Kafka())
    run = asyncio.create_task(made.run())
    for _ in range(500):
        await asyncio.sleep(0)
    assert yielded == LIMITS.max_produces + 1
    kafka.open.set()
    await run
    assert len(kafka.written) == 100


async def test_a_failed_write_leaves_its_records_and_all_later_ones_to_the_next_attempt() -> None:
    """Records finish in the handler's order: everything after a failed write is done again."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        for record in records:
            yield Done([record], [message(record.value)])

    kafka = Kafka(unavailable=1)
    kafka.open.set()
    made, partition, _ = batch(handler, kafka, count=4)
    await made.run()

    assert partition.offsets.committable == 4
    assert set(kafka.written) == {b"0", b"1", b"2", b"3"}


@pytest.mark.parametrize("bad", [{3}, {0, 7}, set(range(8))])
async def test_only_the_bad_records_become_dead_letters(bad: set[int]) -> None:
    """Whatever their number and place, the others are finished as usual."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        if any(record.offset in bad for record in records):
            raise ValueError("bad")
        yield Done(records, [message(record.value) for record in records])

    made, partition, kafka = batch(handler)
    await made.run()

    assert partition.offsets.committable == 8
    assert made.dead == len(bad)
    assert sorted(kafka.written) == sorted(b"dead %d" % i if i in bad else b"%d" % i for i in range(8))


async def test_a_handler_that_forgets_a_record_does_not_lose_it() -> None:
    """A record that no outcome names is a dead letter: it is not skipped, and the batch does not hang."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done([record for record in records if record.offset != 5])

    made, partition, kafka = batch(handler)
    await made.run()

    assert kafka.written == [b"dead 5"]
    assert partition.offsets.committable == 8


async def test_a_handler_that_cancels_itself_is_at_fault() -> None:
    """A CancelledError of the handler's own does not end the batch in silence."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        raise asyncio.CancelledError
        yield Done(records)

    made, partition, _ = batch(handler, count=2)
    await made.run()

    assert (made.dead, partition.offsets.committable) == (2, 2)


async def test_cancelling_finishes_nothing() -> None:
    """Also when the handler swallows the cancellation, and when writes are in flight."""

    waiting = asyncio.Event()

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done(records[:1], [message(b"1")])
        try:
            waiting.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ValueError("swallowed") from None

    made, partition, _ = batch(handler, Kafka())
    run = asyncio.create_task(made.run())
    async with asyncio.timeout(30):
        await waiting.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert partition.offsets.committable is None


async def test_a_draining_batch_makes_no_further_attempt() -> None:
    """When the stage drains and a dependency is unavailable, the batch ends at once and its records stay unfinished."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done(records[:2])
        raise Unavailable("Redis is unavailable")

    made, partition, _ = batch(handler)
    made.draining = True
    await made.run()

    assert partition.offsets.committable == 2
    assert partition.offsets.unfinished == 6


async def test_has_a_reason_until_a_record_is_finished() -> None:
    """The reason is there while a dependency is unavailable, also between attempts, and gone with the first record."""
    seen: list[str | None] = []

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        seen.append(made.reason)
        if len(seen) < 4:
            raise Unavailable("Redis is unavailable")
        yield Done(records)

    made, _, _ = batch(handler)
    await made.run()

    assert seen == [None, *["Redis is unavailable"] * 3]
    assert made.reason is None


async def test_logs_name_the_bad_record_and_not_its_content() -> None:
    """An event for each bisection and one for the dead letter, with the place of the error and never its text."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        if any(record.offset == 3 for record in records):
            raise ValueError("alice@example.com")
        yield Done(records)

    made, _, _ = batch(handler, count=4)
    with capture_logs() as logged:
        await made.run()

    assert [(one["event"], one["log_level"], one.get("records")) for one in logged] == [
        ("batch_bisected", "warning", 4),
        ("batch_bisected", "warning", 2),
        ("record_failed", "error", None),
    ]
    assert (logged[2]["topic"], logged[2]["partition"], logged[2]["offset"]) == ("t", 0, 3)
    assert all(one["error"].startswith("ValueError at test_batch.py:") for one in logged)
    assert "alice" not in str(logged)


async def test_logs_once_that_it_is_paused() -> None:
    """One event an outage, with its reason, however many attempts it takes; and one when a drain ends it."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        if made._attempts == 3:
            made.draining = True
        raise Unavailable("Redis is unavailable")
        yield Done(records)

    made, _, _ = batch(handler, count=2)
    with capture_logs() as logged:
        await made.run()

    assert logged == [
        {
            "event": "stage_paused",
            "log_level": "warning",
            "reason": "Redis is unavailable",
            "partitions": ["t:0"],
        },
        {"event": "records_left_unfinished", "log_level": "info", "records": 2, "partitions": ["t:0"]},
    ]


async def test_a_piece_of_a_large_record_is_saved_after_its_acknowledgement_and_is_progress() -> None:
    """`then` runs in order and after the write; each piece counts as progress, and ends the reason to wait."""
    saved: list[tuple[int, int]] = []

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        for n in range(3):

            async def then(n: int = n) -> None:
                saved.append((n, len(kafka.written)))

            yield Done((), [message(b"%d" % n)], then)
        yield Done(records)

    finished: list[int] = []
    made, partition, kafka = batch(handler, count=1)
    made._on_finished = finished.append
    made.reason = "Kafka was unavailable"
    await made.run()

    assert [n for n, _ in saved] == [0, 1, 2]
    assert all(written > n for n, written in saved)
    assert finished == [0, 0, 0, 1]
    assert made.reason is None
    assert partition.offsets.committable == 1


async def test_a_large_record_is_left_at_its_next_position_when_the_stage_drains() -> None:
    """What is written is saved, nothing more is written, and the record stays unfinished for another worker."""
    saved: list[int] = []

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        for n in range(100):

            async def then(n: int = n) -> None:
                saved.append(n)
                made.draining = n >= 4

            yield Done((), [message(b"%d" % n)], then)
        yield Done(records)

    made, partition, kafka = batch(handler, count=1)
    await made.run()

    assert saved == list(range(len(kafka.written)))
    assert 5 <= len(saved) < 10
    assert partition.offsets.committable is None
