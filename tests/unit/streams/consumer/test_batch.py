"""One batch: what finishes records, what does not, and how a bad one is found."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from service.model.record import Done, Handler, Message, Record
from service.ports import Unavailable
from streams.consumer.batch import RecordBatch, StageConfig
from streams.consumer.limits import StageLimits
from streams.consumer.partition import Partition
from streams.faults.points import no_fault
from tests.support.kafka_records import consumer_records

LIMITS = StageLimits(retry_first=0.001, retry_most=0.002, max_produces=2)


@dataclass
class Kafka:
    """Acknowledges what it is given, when it is allowed to."""

    written: list[bytes | None] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    away: int = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        """As the producer does."""
        await self.open.wait()
        if self.away > 0:
            self.away -= 1
            raise Unavailable("Kafka is away")
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
    work = StageConfig(
        handler,
        lambda record, _: [message(b"dead " + (record.value or b""))],
        kafka,
        LIMITS,
        no_fault,
    )
    return RecordBatch([(partition, partition.take(count))], work, lambda finished: None), partition, kafka


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
    assert partition.mark.position is None
    kafka.open.set()
    await run
    assert partition.mark.position == 2


async def test_records_without_messages_wait_for_those_before_them() -> None:
    """A last outcome without messages finishes only when the pieces before it are acknowledged."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done((), [message(b"1")])
        yield Done(records)

    made, partition, kafka = batch(handler, Kafka())
    run = asyncio.create_task(made.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert partition.mark.unfinished == 8
    kafka.open.set()
    await run
    assert partition.mark.position == 8


async def test_a_handler_is_not_let_far_ahead_of_what_is_acknowledged() -> None:
    """A fan-out without end is held back by Kafka: so many writes at once and no more."""
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
    """Outcomes take effect in order: what came after a failed write is done again."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        for record in records:
            yield Done([record], [message(record.value)])

    kafka = Kafka(away=1)
    kafka.open.set()
    made, partition, _ = batch(handler, kafka, count=4)
    await made.run()

    assert partition.mark.position == 4
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

    assert partition.mark.position == 8
    assert made.dead == len(bad)
    assert sorted(kafka.written) == sorted(b"dead %d" % i if i in bad else b"%d" % i for i in range(8))


async def test_a_handler_that_forgets_a_record_does_not_lose_it() -> None:
    """A record that no outcome names is a dead letter, not a hole and not a hang."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done([record for record in records if record.offset != 5])

    made, partition, kafka = batch(handler)
    await made.run()

    assert kafka.written == [b"dead 5"]
    assert partition.mark.position == 8


async def test_a_handler_that_cancels_itself_is_at_fault() -> None:
    """A CancelledError that nobody asked for does not end the batch in silence."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        raise asyncio.CancelledError
        yield Done(records)

    made, partition, _ = batch(handler, count=2)
    await made.run()

    assert (made.dead, partition.mark.position) == (2, 2)


async def test_cancelling_finishes_nothing() -> None:
    """Also when the handler swallows the cancellation, and when writes are under way."""

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
    assert partition.mark.position is None


async def test_a_draining_batch_makes_no_further_attempt() -> None:
    """When the stage drains and a dependency is away, the batch ends at once and its records stay open."""

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done(records[:2])
        raise Unavailable("Redis is away")

    made, partition, _ = batch(handler)
    made.draining = True
    await made.run()

    assert partition.mark.position == 2
    assert partition.mark.unfinished == 6


async def test_says_what_it_waits_for_until_something_moves() -> None:
    """The reason is there while a dependency is away, also between attempts, and gone with the first record."""
    seen: list[str | None] = []

    async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
        seen.append(made.reason)
        if len(seen) < 4:
            raise Unavailable("Redis is away")
        yield Done(records)

    made, _, _ = batch(handler)
    await made.run()

    assert seen == [None, *["Redis is away"] * 3]
    assert made.reason is None
