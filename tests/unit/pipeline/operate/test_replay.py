"""Replay: chosen by the latest outcome, decided by the ledger, sent once, and never what was withdrawn."""

import pytest

from service.model.blocks.suppression import suppression
from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ids import delivery_id
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
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Record
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
EVERYTHING = ReplayFilter()


async def deliver_email(pipeline: FakePipeline, result: SendResult | None = None, *recipients: str) -> None:
    """Process one mandatory email per recipient, which the relay answers with `result`."""
    await pipeline.seed()
    pipeline.transport.fixed = result
    await pipeline.ingest({"id": "1", "type": "reset_password", "recipients": list(recipients or ("alice",))})
    await pipeline.deliver()
    pipeline.transport.fixed = None


def plan(pipeline: FakePipeline, replay_filter: ReplayFilter) -> list[PlannedReplay]:
    candidates = ReplayCandidates(replay_filter)
    for record in pipeline.records(TOPICS.outcomes):
        candidates.read(record)
    planned = [
        plan_replay(candidates, record)
        for record in (*pipeline.email_records(), *pipeline.records(TOPICS.inbox))
    ]
    return [one for one in planned if one is not None]


async def replay(pipeline: FakePipeline, replay_filter: ReplayFilter) -> dict[str, int]:
    """Replay and deliver what was put back."""
    before = len(pipeline.records(TOPICS.email(Lane.bulk)))
    replayer = Replayer(
        pipeline.catalogue, pipeline.ledger, pipeline.due, pipeline, topics=TOPICS, clock=pipeline.clock
    )
    log = OperationLog(
        pipeline, TOPICS.audit, pipeline.clock, operator="ops", kind=OperationKind.replay, filters={}
    )
    counts = await replayer(plan(pipeline, replay_filter), replay_filter.replay, log)
    added: list[Record] = pipeline.records(TOPICS.email(Lane.bulk))[before:]
    await pipeline.run(pipeline.deliver_email, added)
    return dict(counts)


async def test_what_bounced_is_sent_once() -> None:
    """In the bulk lane, with a full time to live and the attempts it had; then nothing is left to replay."""
    pipeline = FakePipeline()
    await deliver_email(pipeline, REFUSED)
    pipeline.clock.advance(30 * 86_400_000)  # long past the first deadline

    assert await replay(pipeline, EVERYTHING) == {"replayed": 1}

    assert (await pipeline.states("1"))["alice", "email"] == ("sent", "")
    assert [m.recipient for m in pipeline.transport.accepted] == ["alice@example.com"]
    assert pipeline.outcomes()[-1].attempt == 2
    assert plan(pipeline, EVERYTHING) == []


async def test_what_was_sent_is_sent_again_only_on_request() -> None:
    """The same message with the same id; without `again` it is left alone, whichever state is named."""
    pipeline = FakePipeline()
    await deliver_email(pipeline)

    assert plan(pipeline, EVERYTHING) == []
    assert plan(pipeline, ReplayFilter(states=frozenset({State.sent}))) == []
    assert await replay(pipeline, ReplayFilter(again=True)) == {"replayed": 1}
    assert list(pipeline.transport.copies.values()) == [2]


async def test_a_replay_has_a_date_of_its_own() -> None:
    """A message that is sent again a month later is not dated a month ago; its attempts all have one Date."""
    pipeline = FakePipeline()
    await deliver_email(pipeline, REFUSED)
    pipeline.clock.advance(30 * 86_400_000)
    await replay(pipeline, EVERYTHING)

    first, again = (Delivery.from_bytes(r.value) for r in pipeline.email_records())
    assert first.dated_ms == first.received_ms
    assert again.dated_ms == pipeline.clock.now_ms()


async def test_the_ledger_decides() -> None:
    """A delivery whose state changed after its outcome was read is left alone: sent, or being sent."""
    for state, count in ((State.sent, "sent by now"), (State.sending, "sending by now")):
        pipeline = FakePipeline()
        await deliver_email(pipeline, REFUSED)
        (one,) = plan(pipeline, EVERYTHING)
        for to in (State.queued, State.sending, State.sent)[: 2 + (state is State.sent)]:
            await pipeline.ledger.transition(
                [Transition(one.delivery.event, one.delivery.id, to, Reason.none, 9)]
            )
        assert await replay(pipeline, EVERYTHING) == {count: 1}
        assert pipeline.transport.accepted == []


async def test_what_was_withdrawn_stays_withdrawn() -> None:
    """No replay brings it back, not even `again`; an event withdrawn after a replay stops it before the relay."""
    pipeline = FakePipeline()
    await deliver_email(pipeline, REFUSED)
    (one,) = plan(pipeline, EVERYTHING)
    await pipeline.ledger.withdraw(one.delivery.event, 1, 60)

    assert await replay(pipeline, ReplayFilter(again=True)) == {"replayed": 1}
    assert (await pipeline.states("1"))["alice", "email"] == ("withdrawn", "withdrawn_by_source")
    assert plan(pipeline, ReplayFilter(again=True)) == []
    assert pipeline.transport.accepted == []


async def test_a_suppressed_address_is_not_mailed() -> None:
    """Also where the suppression is newer than the delivery."""
    pipeline = FakePipeline()
    await pipeline.seed()
    pipeline.transport.fixed = REFUSED
    await pipeline.ingest({"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "1"}})
    await pipeline.deliver()
    pipeline.transport.fixed = None
    await pipeline.tables.put_suppression(*suppression("alice@example.com", Reason.by_operator, 5))

    assert await replay(pipeline, ReplayFilter(channels=frozenset({"email"}))) == {"replayed": 1}
    assert (await pipeline.states("1"))["alice", "email"] == ("suppressed", "suppressed_address")
    assert pipeline.transport.accepted == []


async def test_a_deferred_delivery_leaves_the_due_set() -> None:
    """A deferred email is replayed where its state is named; it is then sent once, not twice."""
    pipeline = FakePipeline()
    later = SendResult(SendStatus.deferred, Reason.greylisted, Reply(451, "4.7.1", "later"), "main", "rcpt")
    await deliver_email(pipeline, later)

    assert plan(pipeline, EVERYTHING) == []
    assert await replay(pipeline, ReplayFilter(states=frozenset({State.deferred}))) == {"replayed": 1}
    assert await pipeline.due.count() == 0
    assert list(pipeline.transport.copies.values()) == [1]


async def test_cut_off_after_the_ledger_it_is_completed_by_the_next() -> None:
    """Queued by a replay that stopped before it published: the next replay publishes the missing messages."""
    pipeline = FakePipeline()
    await deliver_email(pipeline, REFUSED)
    (one,) = plan(pipeline, EVERYTHING)
    transition = Transition(
        one.delivery.event, one.delivery.id, State.queued, Reason.replayed, 9, replay=ReplayKind.missed
    )
    await pipeline.ledger.transition([transition])

    assert await replay(pipeline, EVERYTHING) == {"replayed": 1}
    assert list(pipeline.transport.copies.values()) == [1]


@pytest.mark.parametrize(
    ("replay_filter", "matches"),
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
async def test_filters(replay_filter: ReplayFilter, matches: bool) -> None:
    """Every filter matches by the latest outcome."""
    pipeline = FakePipeline()
    await deliver_email(pipeline, REFUSED)
    assert [one.delivery.recipient for one in plan(pipeline, replay_filter)] == (["alice"] if matches else [])


async def test_mail_held_since_its_state_was_lost_waits_for_a_replay() -> None:
    """An operator decides about held mail, for whatever reason it is held."""
    pipeline = FakePipeline()
    await deliver_email(pipeline, REFUSED)
    outcome = Outcome.from_bytes(pipeline.records(TOPICS.outcomes)[-1].value or b"")
    candidates = ReplayCandidates(EVERYTHING)
    ids = {
        reason: delivery_id(outcome.event, reason, "email")
        for reason in (Reason.awaiting_operator, Reason.state_lost)
    }
    for reason, delivery in ids.items():
        held = outcome.replace(delivery=delivery, state=State.held, reason=reason)
        candidates.read(pipeline.records(TOPICS.outcomes)[-1]._replace(value=held.to_bytes()))

    assert candidates.latest.keys() >= set(ids.values())


async def test_what_was_never_dispatched_has_no_record() -> None:
    """A delivery that resolve skipped matches, but no record says how to send it."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest({"id": "1", "type": "reset_password", "recipients": ["nobody"]})
    candidates = ReplayCandidates(EVERYTHING)
    for record in pipeline.records(TOPICS.outcomes):
        candidates.read(record)

    assert plan(pipeline, EVERYTHING) == []
    assert [latest.state for latest in candidates.latest.values()] == [State.skipped]


def test_replays_have_their_own_transitions() -> None:
    """An operator may do what no stage may; a delivery that is being sent or is withdrawn is never replayed."""
    with pytest.raises(IllegalTransition):
        check_transition(State.sent, State.queued)
    with pytest.raises(IllegalTransition):
        check_transition(State.sent, State.queued, ReplayKind.missed)
    check_transition(State.sent, State.queued, ReplayKind.again)
    for kind in REPLAY_TRANSITIONS.keys() - {ReplayKind.retimed}:
        assert sources_of(State.queued, kind).isdisjoint({State.sending, State.withdrawn, State.queued})
        target = State.held if kind is ReplayKind.retimed else State.queued
        assert all(targets == {target} for targets in REPLAY_TRANSITIONS[kind].values())
        assert State.sending not in REPLAY_TRANSITIONS[kind]
    assert sources_of(State.queued, ReplayKind.dead) == {State.dead}


async def test_rate() -> None:
    """The rate holds on average, whatever the size of the batches."""
    now, slept = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pacer = Pacer(100, lambda: now[0], sleep)
    assert pacer.batch == 100
    for _ in range(4):
        await pacer.wait(50)
    assert sum(slept) == pytest.approx(1.5)
