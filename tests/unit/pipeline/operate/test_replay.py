"""Replay: chosen by the latest outcome, decided by the ledger, sent once, and never what was taken back."""

import pytest

from service.model.catalogue import Lane
from service.model.ledger import (
    REPLAY_TRANSITIONS,
    IllegalTransition,
    ReplayKind,
    State,
    Transition,
    check_transition,
    sources_of,
)
from service.model.mail import Reply, SendResult, SendStatus
from service.model.operation import OperationKind
from service.model.reasons import Reason
from service.model.record import Record
from service.model.suppression import suppression
from service.pipeline.operate.audit_log import OperationLog
from service.pipeline.operate.replay import (
    Pacer,
    PlannedReplay,
    ReplayCandidates,
    Replayer,
    ReplayFilter,
    plan_replay,
)
from tests.support.fake_pipeline import TOPICS, FakePipeline

REFUSED = SendResult(SendStatus.bounced, Reason.policy_refused, Reply(554, "5.7.1", "no"), "main", "rcpt")
ALWAYS = ReplayFilter()


async def mailed(line: FakePipeline, result: SendResult | None = None, *recipients: str) -> None:
    """One mandatory mail each, which comes to `result`."""
    await line.seed()
    line.transport.fixed = result
    await line.ingest({"id": "1", "type": "reset_password", "recipients": list(recipients or ("alice",))})
    await line.deliver()
    line.transport.fixed = None


def plan(line: FakePipeline, wish: ReplayFilter) -> list[PlannedReplay]:
    candidates = ReplayCandidates(wish)
    for record in line.records(TOPICS.outcomes):
        candidates.read(record)
    found = [
        plan_replay(candidates, record) for record in (*line.email_records(), *line.records(TOPICS.inbox))
    ]
    return [one for one in found if one is not None]


async def replay(line: FakePipeline, wish: ReplayFilter) -> dict[str, int]:
    """Replay and deliver what was put back."""
    before = len(line.records(TOPICS.email(Lane.bulk)))
    resend = Replayer(line.catalogue, line.ledger, line.due, line, topics=TOPICS, clock=line.clock)
    trail = OperationLog(line, TOPICS.audit, line.clock, who="ops", action=OperationKind.replay, asked={})
    counts = await resend(plan(line, wish), wish.replay, trail)
    added: list[Record] = line.records(TOPICS.email(Lane.bulk))[before:]
    await line.run(line.deliver_email, added)
    return dict(counts)


async def test_what_bounced_is_sent_once() -> None:
    """In the bulk lane, with a whole time to live and the attempts it had; then there is nothing left to replay."""
    line = FakePipeline()
    await mailed(line, REFUSED)
    line.clock.advance(30 * 86_400_000)  # long past the first deadline

    assert await replay(line, ALWAYS) == {"replayed": 1}

    assert (await line.states("1"))["alice", "email"] == ("sent", "")
    assert [m.recipient for m in line.transport.accepted] == ["alice@example.com"]
    assert line.outcomes()[-1].attempt == 2
    assert plan(line, ALWAYS) == []


async def test_what_was_sent_is_sent_again_only_where_it_is_asked_for() -> None:
    """The same mail with the same id; without `again` it is left alone, whatever state is named."""
    line = FakePipeline()
    await mailed(line)

    assert plan(line, ALWAYS) == []
    assert plan(line, ReplayFilter(states=frozenset({State.sent}))) == []
    assert await replay(line, ReplayFilter(again=True)) == {"replayed": 1}
    assert list(line.transport.copies.values()) == [2]


async def test_the_ledger_has_the_last_word() -> None:
    """What has moved on since its outcome was read is left alone: sent, or in a relay's hands."""
    for state, said in ((State.sent, "sent by now"), (State.sending, "sending by now")):
        line = FakePipeline()
        await mailed(line, REFUSED)
        (one,) = plan(line, ALWAYS)
        for to in (State.queued, State.sending, State.sent)[: 2 + (state is State.sent)]:
            await line.ledger.transition(
                [Transition(one.delivery.event, one.delivery.id, to, Reason.none, 9)]
            )
        assert await replay(line, ALWAYS) == {said: 1}
        assert line.transport.accepted == []


async def test_what_was_withdrawn_stays_withdrawn() -> None:
    """No replay brings it back, not even `again`; an event withdrawn after a replay stops it before the relay."""
    line = FakePipeline()
    await mailed(line, REFUSED)
    (one,) = plan(line, ALWAYS)
    await line.ledger.withdraw(one.delivery.event, 1, 60)

    assert await replay(line, ReplayFilter(again=True)) == {"replayed": 1}
    assert (await line.states("1"))["alice", "email"] == ("withdrawn", "withdrawn_by_source")
    assert plan(line, ReplayFilter(again=True)) == []
    assert line.transport.accepted == []


async def test_who_may_not_be_mailed_is_not_mailed() -> None:
    """A suppression that came since holds."""
    line = FakePipeline()
    await line.seed()
    line.transport.fixed = REFUSED
    await line.ingest({"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "1"}})
    await line.deliver()
    line.transport.fixed = None
    await line.tables.put_suppression(*suppression("alice@example.com", Reason.by_operator, 5))

    assert await replay(line, ReplayFilter(channels=frozenset({"email"}))) == {"replayed": 1}
    assert (await line.states("1"))["alice", "email"] == ("suppressed", "suppressed_address")
    assert line.transport.accepted == []


async def test_what_waits_leaves_the_due_set() -> None:
    """A deferred mail is replayed where its state is named; it is then sent once, not twice."""
    line = FakePipeline()
    later = SendResult(SendStatus.deferred, Reason.greylisted, Reply(451, "4.7.1", "later"), "main", "rcpt")
    await mailed(line, later)

    assert plan(line, ALWAYS) == []
    assert await replay(line, ReplayFilter(states=frozenset({State.deferred}))) == {"replayed": 1}
    assert await line.due.count() == 0
    assert list(line.transport.copies.values()) == [1]


async def test_cut_off_after_the_ledger_it_goes_on() -> None:
    """Queued by a replay that died before Kafka: the next one publishes what is missing."""
    line = FakePipeline()
    await mailed(line, REFUSED)
    (one,) = plan(line, ALWAYS)
    move = Transition(
        one.delivery.event, one.delivery.id, State.queued, Reason.replayed, 9, replay=ReplayKind.missed
    )
    await line.ledger.transition([move])

    assert await replay(line, ALWAYS) == {"replayed": 1}
    assert list(line.transport.copies.values()) == [1]


@pytest.mark.parametrize(
    ("wish", "meant"),
    [
        (ReplayFilter(events=frozenset({"1"})), True),
        (ReplayFilter(events=frozenset({"2"})), False),
        (ReplayFilter(sources=frozenset({"/t"}), types=frozenset({"reset_password"})), True),
        (ReplayFilter(types=frozenset({"winner"})), False),
        (ReplayFilter(recipients=frozenset({"alice"}), channels=frozenset({"email"})), True),
        (ReplayFilter(channels=frozenset({"inbox"})), False),
        (ReplayFilter(relays=frozenset({"main"}), codes=frozenset({"554"})), True),
        (ReplayFilter(codes=frozenset({"5.7.1"})), True),
        (ReplayFilter(codes=frozenset({"550"})), False),
        (ReplayFilter(relays=frozenset({"other"})), False),
        (ReplayFilter(reasons=frozenset({"policy_refused"})), True),
        (ReplayFilter(reasons=frozenset({"greylisted"})), False),
        (ReplayFilter(states=frozenset({State.dead})), False),
        (ReplayFilter(since_ms=1_700_000_000_001), False),
        (ReplayFilter(until_ms=1_700_000_000_000), False),
    ],
)
async def test_filters(wish: ReplayFilter, meant: bool) -> None:
    """Each lets through what it names, by the latest outcome."""
    line = FakePipeline()
    await mailed(line, REFUSED)
    assert [one.delivery.recipient for one in plan(line, wish)] == (["alice"] if meant else [])


async def test_what_was_never_handed_on_has_no_record() -> None:
    """Skipped by resolve: it is meant, and left over, since nothing says how to send it."""
    line = FakePipeline()
    await line.seed()
    await line.ingest({"id": "1", "type": "reset_password", "recipients": ["nobody"]})
    candidates = ReplayCandidates(ALWAYS)
    for record in line.records(TOPICS.outcomes):
        candidates.read(record)

    assert plan(line, ALWAYS) == []
    assert [standing.state for standing in candidates.found.values()] == [State.skipped]


def test_replay_moves_are_apart() -> None:
    """What no stage may do an operator may; what is in a relay's hands or taken back nobody may."""
    with pytest.raises(IllegalTransition):
        check_transition(State.sent, State.queued)
    with pytest.raises(IllegalTransition):
        check_transition(State.sent, State.queued, ReplayKind.missed)
    check_transition(State.sent, State.queued, ReplayKind.again)
    for kind in REPLAY_TRANSITIONS:
        assert sources_of(State.queued, kind).isdisjoint({State.sending, State.withdrawn, State.queued})
        assert all(targets == {State.queued} for targets in REPLAY_TRANSITIONS[kind].values())
    assert sources_of(State.queued, ReplayKind.dead) == {State.dead}


async def test_pace() -> None:
    """So many a second on the whole, whatever the size of the batches."""
    now, slept = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pacer(100, lambda: now[0], sleep)
    assert pace.batch == 100
    for _ in range(4):
        await pace.wait(50)
    assert sum(slept) == pytest.approx(1.5)
