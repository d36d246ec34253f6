"""The keeper of the state: when it writes checkpoints, when it catches up and from where, and what it leaves alone."""

from collections.abc import Awaitable, Callable

import pytest

from service.ports import ABSENT, CATCHING_UP, FILLING, REBUILDING, Unavailable
from service.ports.state_history import Lineage, Positions, PrimaryProcess, StateCheckpoint, kept_checkpoints
from streams.worker.state_keeper import MARGIN_MS, KeeperInputs, StateKeeper
from tests.fakes.clock import FakeClock
from tests.fakes.state_history import FakeStateHistory

TOPIC = ("dispatch.outcomes", 0)


class Clock(FakeClock):
    """A clock that may be set; the boot clock does not follow."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return self.now + self.ahead_ms


class Rig:
    """A Redis with workers, and a log of where catch-ups began."""

    def __init__(self) -> None:
        self.clock = Clock(1_000_000)
        self.redis = FakeStateHistory()
        self.redis.kept.incomplete = None
        self.end = 0
        self.read: list[Positions] = []
        self.dispatched = True
        self.during: Callable[[], None] = lambda: None
        self.paused: Callable[[], Awaitable[None]] | None = None
        self.keeper = self.make("one")

    def make(self, owner: str) -> StateKeeper:
        async def positions() -> Positions:
            paused, self.paused = self.paused, None
            if paused is not None:
                await paused()
            return {TOPIC: self.end}

        async def read_again(since: Positions) -> tuple[int, Positions]:
            assert self.redis.kept.incomplete is not None, "what is read again is not whole yet"
            self.read.append(since)
            self.during()
            return self.end - since.get(TOPIC, 0), {TOPIC: self.end}

        async def nothing_dispatched() -> bool:
            return not self.dispatched

        inputs = KeeperInputs(positions, read_again, nothing_dispatched)
        return StateKeeper(self.redis, self.redis, inputs, owner=owner, clock=self.clock, heartbeats_s=0)

    async def run(self, seconds: int, *keepers: StateKeeper) -> None:
        """Let time pass, with a record a second."""
        for _ in range(seconds):
            self.end += 1
            self.clock.advance(1000)
            for keeper in keepers or (self.keeper,):
                await keeper.tick()


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_checkpoints_are_written_while_there_is_something_new(rig: Rig) -> None:
    """The first servers are accepted; an idle system writes one in ten seconds."""
    await rig.run(3)
    assert rig.redis.kept.lineage == Lineage(1_001_000, frozenset({"s1"}))
    assert [one.positions[TOPIC] for one in rig.redis.kept.checkpoints.values()] == [1, 2, 3]
    for _ in range(21):
        rig.clock.advance(1000)
        await rig.keeper.tick()
    assert len(rig.redis.kept.checkpoints) == 3 + 2


async def test_a_stale_replica_is_caught_up_from_before_its_checkpoint(rig: Rig) -> None:
    """Then what was published meanwhile is read; then it is complete, with its server accepted and a new checkpoint."""
    await rig.run(100)
    behind = rig.redis.snapshot()
    newest = max(behind.checkpoints)
    await rig.run(5)
    rig.redis.fail_over(behind, "s2")
    await rig.keeper.tick()
    began = next(c for at, c in sorted(behind.checkpoints.items(), reverse=True) if at <= newest - MARGIN_MS)
    assert rig.read == [began.positions, {TOPIC: 105}]
    assert rig.redis.kept.incomplete is None
    assert rig.redis.kept.lineage == Lineage(rig.clock.now_ms(), frozenset({"s2"}))
    assert max(rig.redis.kept.checkpoints) > newest
    assert rig.redis.kept.last is not None
    assert (rig.redis.kept.last.cause, rig.redis.kept.last.since_ms) == ("another_server", began.at_ms)
    await rig.run(3)
    assert len(rig.read) == 2, "once is enough"


async def test_state_that_went_back_is_noticed_without_a_new_server(rig: Rig) -> None:
    """Where servers do not tell who they are, an older checkpoint than one that was seen shows it."""
    rig.redis.servers = frozenset()
    await rig.run(60)
    behind = rig.redis.snapshot()
    await rig.run(5)
    rig.redis.fail_over(behind, "")
    rig.redis.servers = frozenset()
    await rig.keeper.tick()
    assert rig.redis.kept.last is not None
    assert rig.redis.kept.last.cause == "went_back"
    assert rig.redis.kept.incomplete is None


async def test_a_primary_that_begins_a_new_history_by_itself_is_accepted(rig: Rig) -> None:
    """The same process under another id lacks nothing: its first replica has come, or its last one has left."""
    rig.redis.processes["s1"] = PrimaryProcess("run1", "")
    await rig.run(3)
    rig.redis.servers = frozenset({"s1-new"})
    rig.redis.processes["s1-new"] = PrimaryProcess("run1", "")
    await rig.run(3)
    assert rig.redis.kept.lineage is not None
    assert rig.redis.kept.lineage.servers == {"s1-new"}
    assert (rig.read, rig.redis.kept.last) == ([], None)


@pytest.mark.parametrize(
    "process",
    [PrimaryProcess("run1", "s2"), PrimaryProcess("run2", ""), None],
    ids=["was a replica meanwhile", "was restarted", "does not tell"],
)
async def test_another_history_is_caught_up_unless_it_is_certainly_the_same(
    rig: Rig, process: PrimaryProcess | None
) -> None:
    """Also after a worker has just started: it has not seen the process before."""
    rig.redis.processes["s1"] = PrimaryProcess("run1", "")
    await rig.run(3)
    rig.redis.servers = frozenset({"s1-new"})
    if process is not None:
        rig.redis.processes["s1-new"] = process
    await rig.run(1)
    assert rig.read
    assert rig.redis.kept.last is not None
    rig.redis.processes["s1-newer"] = PrimaryProcess("run1", "")
    rig.redis.servers = frozenset({"s1-newer"})
    rig.redis.turns.clear()
    read = len(rig.read)
    await rig.run(1, rig.make("started"))
    assert len(rig.read) > read


async def test_an_old_primary_that_comes_back_is_not_believed(rig: Rig) -> None:
    """It names itself in its own data; the generation is lower than one that was seen."""
    await rig.run(60)
    old, behind = rig.redis.snapshot(), rig.redis.snapshot()
    rig.redis.fail_over(behind, "s2")
    await rig.run(5)
    rig.redis.fail_over(old, "s1")
    await rig.keeper.tick()
    assert rig.redis.kept.lineage is not None
    assert rig.redis.kept.lineage.servers == {"s1"}
    assert len(rig.read) == 4


async def test_others_wait_and_continue_when_the_first_dies(rig: Rig) -> None:
    """One at a time reads; the mark stays until one has read all."""
    other = rig.make("two")
    await rig.run(60, rig.keeper, other)
    behind = rig.redis.snapshot()
    await rig.run(5, rig.keeper, other)
    rig.redis.fail_over(behind, "s2")

    def die() -> None:
        raise Unavailable("Kafka does not answer")

    rig.during = die
    with pytest.raises(Unavailable):
        await rig.keeper.tick()
    await other.tick()
    assert rig.redis.kept.incomplete == CATCHING_UP
    assert len(rig.read) == 1, "the first still has the turn"
    rig.redis.turns.clear()
    rig.during = lambda: None
    await other.tick()
    assert rig.redis.kept.incomplete is None
    await rig.run(3, rig.keeper, other)
    assert len(rig.read) == 3, "the first takes what the other has done"


async def test_a_second_fail_over_during_a_catch_up_is_caught_up_too(rig: Rig) -> None:
    """What answers at the end is not what was read for: the mark stays, and the next second begins again."""
    await rig.run(60)
    behind, older = rig.redis.snapshot(), rig.redis.snapshot()
    older.incomplete = CATCHING_UP
    rig.redis.fail_over(behind, "s2")
    failed_over = []

    def fail_over_once() -> None:
        if not failed_over:
            failed_over.append(True)
            rig.redis.fail_over(older, "s3")

    rig.during = fail_over_once
    await rig.keeper.tick()
    assert rig.redis.kept.incomplete == CATCHING_UP
    await rig.keeper.tick()
    assert rig.redis.kept.incomplete is None
    assert rig.redis.kept.lineage is not None
    assert rig.redis.kept.lineage.servers == {"s3"}


async def test_without_an_old_checkpoint_or_without_any_all_is_read(rig: Rig) -> None:
    """The first checkpoint of all is no start: what came before it may be missing. Redis may fail before it too."""
    await rig.run(5)
    rig.redis.fail_over(rig.redis.snapshot(), "s2")
    await rig.keeper.tick()
    assert rig.read[0] == {}
    rig.redis.kept.checkpoints.clear()
    rig.redis.servers = frozenset({"s3"})
    await rig.keeper.tick()
    assert rig.redis.kept.incomplete is None
    assert rig.read[2] == {}


@pytest.mark.parametrize("dispatched", [True, False])
async def test_a_new_installation_with_rows_in_kafka_comes_up_by_itself(rig: Rig, dispatched: bool) -> None:
    """Only where no delivery was ever dispatched: an emptied Redis needs a rebuild, which an operator begins."""
    rig.redis.kept = type(rig.redis.kept)()
    rig.dispatched = dispatched
    await rig.keeper.tick()
    assert (rig.redis.kept.incomplete is None) is not dispatched
    assert rig.read == ([] if dispatched else [{}])


async def test_nothing_is_dispatched_while_a_new_installation_is_filled(rig: Rig) -> None:
    """Redis is marked, so that the answer that nothing was dispatched stays true; a worker that dies is followed."""
    rig.redis.kept = type(rig.redis.kept)()
    rig.dispatched = False
    other = rig.make("two")

    def die() -> None:
        assert rig.redis.kept.incomplete == FILLING
        raise Unavailable("Kafka does not answer")

    rig.during = die
    with pytest.raises(Unavailable):
        await rig.keeper.tick()
    rig.during = lambda: None
    await other.tick()
    assert rig.redis.kept.incomplete == FILLING, "the first still has the turn"
    rig.redis.turns.clear()
    await other.tick()
    assert rig.redis.kept.incomplete is None
    assert rig.read[1:] == [{}]


@pytest.mark.parametrize("new", [True, False])
async def test_a_redis_that_is_emptied_while_it_is_read_for_stays_closed(rig: Rig, new: bool) -> None:
    """What was read before is lost with the mark: only a rebuild may open it. No server says that it is another."""
    if new:
        rig.redis.kept, rig.dispatched = type(rig.redis.kept)(), False
    else:
        await rig.run(60)
        rig.redis.servers = frozenset({"s2"})

    def empty() -> None:
        rig.redis.kept = type(rig.redis.kept)()
        rig.during = lambda: None

    rig.during = empty
    if new:
        with pytest.raises(Unavailable, match="tocsin rebuild"):
            await rig.keeper.tick()
    else:
        await rig.keeper.tick()
    assert rig.redis.kept.incomplete == ABSENT
    rig.dispatched = True
    await rig.run(3)
    assert rig.redis.kept.incomplete == ABSENT


async def test_a_rebuild_that_begins_during_a_catch_up_decides(rig: Rig) -> None:
    """Its mark is not replaced: only it knows when its rows are all there."""
    await rig.run(60)
    rig.redis.servers = frozenset({"s2"})

    def rebuild() -> None:
        rig.redis.kept.incomplete = REBUILDING

    rig.during = rebuild
    await rig.keeper.tick()
    assert rig.redis.kept.incomplete == REBUILDING


async def test_a_rebuilt_redis_is_not_caught_up_again(rig: Rig) -> None:
    """It was emptied, and holds neither checkpoints nor the lineage that was; the rebuild has accepted its servers."""
    await rig.run(60)
    rig.redis.kept = type(rig.redis.kept)()
    await rig.run(2)
    assert rig.redis.kept.incomplete == ABSENT
    await rig.redis.mark_incomplete(REBUILDING)
    await rig.redis.accept(Lineage.after(None, 0, rig.redis.servers, rig.clock.now_ms()))
    await rig.redis.mark_complete()
    await rig.run(3)
    assert rig.redis.kept.incomplete is None
    assert rig.read == []
    assert rig.redis.kept.checkpoints


async def test_a_clock_that_was_ahead_leaves_checkpoints_few_and_old_enough(rig: Rig) -> None:
    """After a corrected jump they continue at the pace of time: they are dropped, and a catch-up begins near."""
    await rig.run(10)
    rig.clock.ahead_ms = 100 * 365 * 86_400_000
    await rig.run(2)
    rig.clock.ahead_ms = 0
    other = rig.make("two")
    await rig.run(300, rig.keeper, other)
    rig.redis.turns.clear()
    await rig.run(300, other)
    assert len(rig.redis.kept.checkpoints) < 120
    rig.redis.fail_over(rig.redis.snapshot(), "s2")
    await other.tick()
    assert rig.end - 40 < rig.read[0][TOPIC] < rig.end - 25


async def test_a_keeper_that_was_paused_leaves_the_checkpoints_to_its_successor(rig: Rig) -> None:
    """Its clock may be behind: an older time over a newer one would look like state that went back."""
    other = rig.make("two")
    await rig.run(60, rig.keeper, other)

    async def pause() -> None:
        rig.redis.turns.clear()
        rig.clock.ahead_ms = 5000
        await rig.run(20, other)
        rig.clock.ahead_ms = 0

    rig.paused = pause
    await rig.run(1)
    await rig.run(3, rig.keeper, other)
    assert (rig.read, rig.redis.kept.incomplete) == ([], None)


def test_kept_checkpoints_are_few_and_old_enough() -> None:
    """After hours of one a second, and at any age up to an hour one that is at most a minute older."""
    kept: frozenset[int] = frozenset()
    for now in range(0, 3 * 3_600_000, 1000):
        kept = kept_checkpoints({*kept, now}, now)
        assert len(kept) < 200
    for age in range(0, 3_600_000, 7000):
        assert any(now - age - 61_000 <= at <= now - age for at in kept), age


def test_checkpoints_are_stored_whole() -> None:
    """Also partitions that are missing between others, which then begin at 0."""
    positions = {("a", 0): 5, ("a", 2): 7, ("b", 0): 0}
    stored = StateCheckpoint.from_bytes(9, StateCheckpoint(9, positions).to_bytes())
    assert stored == (9, {**positions, ("a", 1): 0})
