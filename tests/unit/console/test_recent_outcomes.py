"""The outcomes that have just come: counted by time, and passed to every page that watches."""

import asyncio
from collections.abc import AsyncGenerator

from service.console.recent_outcomes import BUCKETS, RecentOutcomes
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Message, Record
from service.ports import Positions, Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import FakePublisher
from tests.fakes.record_log import FakeRecordLog
from tests.support.wait import eventually

_TOPIC = "dispatch.outcomes"
_START_MS = 1_700_000_000_000


def outcome(number: int, at_ms: int, state: State = State.sent) -> Outcome:
    key = event_key("/x", str(number))
    return Outcome(delivery_id(key, "alice", "email"), key, "overbid", "alice", "email", state, at_ms)


class World:
    """The log, its clock, and what reads it."""

    def __init__(self) -> None:
        self.clock = FakeClock(_START_MS)
        self.publisher = FakePublisher(self.clock)
        self.log = FakeRecordLog(self.publisher.records)
        self.recent = RecentOutcomes(self.log, _TOPIC, self.clock)

    async def publish(self, *outcomes: Outcome) -> None:
        await self.publisher.publish([Message(_TOPIC, b"", one.to_bytes()) for one in outcomes])

    def total(self) -> int:
        return sum(sum(counts.values()) for _, counts in self.recent.buckets())


async def test_counts_begin_before_the_page() -> None:
    """Those of the last ten minutes are there, older ones are not, and what is no outcome is skipped."""
    world = World()
    await world.publish(outcome(0, _START_MS))
    world.clock.advance(700_000)
    await world.publish(outcome(1, _START_MS + 699_000), outcome(2, _START_MS + 699_500, State.bounced))
    await world.publisher.publish([Message(_TOPIC, b"", b"not an outcome")])
    await world.publish(outcome(3, _START_MS + 700_000))
    world.recent.want()
    await eventually(lambda: world.total() == 3)
    buckets = world.recent.buckets()
    assert len(buckets) == BUCKETS
    assert buckets[-2][1] == {("sent", "overbid"): 1, ("bounced", "overbid"): 1}
    assert buckets[-1][1] == {("sent", "overbid"): 1}


async def test_a_watch_gets_what_comes() -> None:
    """Only from when it began, to every watch, and none after it has ended."""
    world = World()
    await world.publish(outcome(0, _START_MS))
    world.clock.advance(60_000)
    with world.recent.watch() as one, world.recent.watch() as other:
        world.recent.want()
        await world.publish(outcome(1, _START_MS + 60_000))
        await eventually(lambda: bool(one.waiting and other.waiting))
        assert [len(watch.take()[0]) for watch in (one, other)] == [1, 1]
        assert one.take() == ([], 0)
    assert world.recent.watches == 0


async def test_a_page_that_reads_slowly_loses_the_oldest() -> None:
    """And is informed how many: the page never holds more than some."""
    world = World()
    with world.recent.watch() as watch:
        world.recent.want()
        await world.publish(*(outcome(n, _START_MS) for n in range(2500)))
        await eventually(lambda: world.total() == 2500)
        taken, skipped = watch.take()
    assert (len(taken), skipped) == (2000, 500)
    assert taken[-1].event == outcome(2499, 0).event


class _Away(FakeRecordLog):
    """A log that cannot be read once."""

    is_away = True

    async def follow(self, start: Positions) -> AsyncGenerator[Record, None]:
        if self.is_away:
            raise Unavailable("Kafka is away")
        async for record in super().follow(start):
            yield record


async def test_an_outage_ends() -> None:
    """While it lasts the page has the reason; then the counts are right again."""
    world = World()
    log = _Away(world.publisher.records)
    recent = RecentOutcomes(log, _TOPIC, world.clock)
    await world.publish(outcome(1, _START_MS))
    recent.want()
    await eventually(lambda: recent.error == "Kafka is away")
    log.is_away = False
    await eventually(lambda: recent.error == "" and any(counts for _, counts in recent.buckets()))
    await asyncio.sleep(0)
