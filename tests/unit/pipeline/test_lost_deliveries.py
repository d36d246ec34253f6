"""A dispatch record has no entry in the ledger: the delivery is entered again, or closed, and never in silence."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.model.ids import event_key
from service.model.ledger import HistoryStep, State
from service.model.outcome import Outcome
from service.observability.metrics import LOST_DELIVERIES
from tests.support.fake_pipeline import FakePipeline

DAY_MS = 86_400_000


def event(event_type: str = "winner", *recipients: str) -> dict[str, Any]:
    return {"id": "1", "type": event_type, "recipients": recipients or ("alice",), "data": {"lot_id": "9"}}


async def lost(event_type: str = "winner", *recipients: str) -> FakePipeline:
    """Return a pipeline whose ledger has lost an event between resolve and the channels' stages."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(event(event_type, *recipients))
    pipeline.topics.pop("dispatch.outcomes", None)
    pipeline.ledger._events.clear()
    return pipeline


async def steps(pipeline: FakePipeline, channel: str) -> list[tuple[str, str]]:
    """Return the history of the event's delivery on a channel, oldest first."""
    entries = [e async for e in pipeline.ledger.entries(event_key("/t", "1")) if e.channel == channel]
    history: tuple[HistoryStep, ...] = entries[0].steps if entries else ()
    return [(step.state.value, step.reason.value) for step in reversed(history)]


def outcomes(pipeline: FakePipeline, channel: str) -> list[tuple[State, str]]:
    return [(o.state, o.reason.value) for o in pipeline.outcomes() if o.channel == channel]


async def test_mail_is_sent_and_its_history_says_that_it_was_lost() -> None:
    """Counted and logged; the outcome is published, and a record that is read again sends nothing."""
    pipeline = await lost()
    before = LOST_DELIVERIES.value("email", "entered")
    with capture_logs() as logs:
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert await steps(pipeline, "email") == [("queued", "state_lost"), ("sending", ""), ("sent", "")]
    assert outcomes(pipeline, "email") == [(State.sent, "")]
    assert LOST_DELIVERIES.value("email", "entered") == before + 1
    assert [one["entered"] for one in logs if one["event"] == "deliveries_lost"] == [1]
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert set(pipeline.transport.copies.values()) == {1}


async def test_mail_that_must_not_be_sent_twice_is_held() -> None:
    """Whether it was sent before is unknown, so an operator decides; the age of held mail counts it."""
    pipeline = await lost("held_when_unsure")
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert await steps(pipeline, "email") == [("queued", "state_lost"), ("held", "state_lost")]
    assert outcomes(pipeline, "email") == [(State.held, "state_lost")]
    assert not pipeline.transport.accepted


async def test_an_entry_that_has_expired_is_not_entered_again() -> None:
    """After the retention a record says nothing about whether its message was sent: it is closed, and says so."""
    pipeline = await lost()
    pipeline.clock.advance(8 * DAY_MS)
    before = LOST_DELIVERIES.value("email", "retention_over")
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert await steps(pipeline, "email") == []
    assert outcomes(pipeline, "email") == [(State.expired, "retention_over")]
    assert LOST_DELIVERIES.value("email", "retention_over") == before + 1
    assert not pipeline.transport.accepted


@pytest.mark.parametrize("days", [0, 8])
async def test_an_inbox_entry_is_delivered(days: int) -> None:
    """Once, and its outcome is published; after its deadline it has expired."""
    pipeline = await lost("overbid")
    pipeline.clock.advance(days * DAY_MS)
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))
    first = outcomes(pipeline, "inbox")
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))
    if days:
        assert {state for state, _ in first} == {State.expired}
        assert await pipeline.inbox.counts("alice") == {}
    else:
        assert {state for state, _ in first} == {State.delivered}
        assert await pipeline.inbox.counts("alice") == {"overbid": 1}
        assert await steps(pipeline, "inbox") == [("queued", "state_lost"), ("delivered", "")]


async def test_a_retry_whose_entry_was_lost_is_sent() -> None:
    """The due set still has it, the ledger has not: its record enters it with the attempt that it is."""
    pipeline = FakePipeline()
    await pipeline.seed()
    row = pipeline.tables.recipients["alice"]
    await pipeline.tables.put_recipients(
        [row.model_copy(update={"address": "deferred@simulator.test", "version": 9})]
    )
    await pipeline.ingest(event())
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    await pipeline.tables.put_recipients([row.model_copy(update={"version": 10})])
    pipeline.ledger._events.clear()
    pipeline.clock.advance(120_000)
    assert await pipeline.schedule.run_once() == 1
    await pipeline.run(pipeline.deliver_email, pipeline.email_records()[-1:])
    assert await steps(pipeline, "email") == [("queued", "state_lost"), ("sending", ""), ("sent", "")]
    assert [o.attempt for o in pipeline.outcomes() if o.state is State.sent] == [2]


@pytest.mark.parametrize("days", [0, 8])
async def test_a_result_is_kept_whose_entry_was_lost_while_its_message_was_out(days: int) -> None:
    """It is sent, and so is its outcome; the record that is read again sends nothing, within the retention or not."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(event())
    pipeline.transport.hold = True
    sending = asyncio.create_task(pipeline.run(pipeline.deliver_email, pipeline.email_records()))
    while not pipeline.transport._held:
        await asyncio.sleep(0)
    pipeline.ledger._events.clear()
    pipeline.clock.advance(days * DAY_MS)
    pipeline.transport.release()
    await sending
    assert outcomes(pipeline, "email")[-1] == (State.sent, "")
    expected = [] if days else [("queued", "state_lost"), ("sending", ""), ("sent", "")]
    assert await steps(pipeline, "email") == expected
    pipeline.transport.hold = False
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert set(pipeline.transport.copies.values()) == {1}


async def test_a_withdrawn_event_stays_withdrawn() -> None:
    """Its mark stops the deliveries that are entered again."""
    pipeline = await lost()
    await pipeline.ledger.withdraw(event_key("/t", "1"), pipeline.clock.now_ms(), 60)
    await pipeline.deliver()
    last = [(await steps(pipeline, channel))[-1] for channel in ("email", "inbox")]
    assert [state for state, _ in last] == ["withdrawn", "withdrawn"]
    assert not pipeline.transport.accepted
    assert await pipeline.inbox.counts("alice") == {}


async def test_a_batch_with_lost_and_other_deliveries_gives_each_its_own_outcome() -> None:
    """Results stay with their records."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(event("winner", "alice", "bob"), event("winner", "carol") | {"id": "2"})
    pipeline.ledger._events[event_key("/t", "1")].rows.clear()
    await pipeline.deliver()
    sent: list[Outcome] = [o for o in pipeline.outcomes() if o.state in {State.sent, State.delivered}]
    assert sorted((o.recipient, o.channel) for o in sent) == [
        (name, channel) for name in ("alice", "bob", "carol") for channel in ("email", "inbox")
    ]
    assert set(pipeline.transport.copies.values()) == {1}
