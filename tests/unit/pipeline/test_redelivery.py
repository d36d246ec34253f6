"""A record is read again after a crash, in changed circumstances: its delivery is still finished and published."""

import asyncio
import json
from unittest.mock import patch

import pytest

from service.model.ids import delivery_id, event_key
from service.model.record import Record
from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "e", "source": "/t", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "1"}}


async def test_what_was_entered_and_never_dispatched_is_dispatched_after_its_deadline() -> None:
    """Resolve died between ledger and Kafka; the event is read again expired, and its deliveries still end."""
    pipeline = FakePipeline()
    await pipeline.seed()
    value = json.dumps(EVENT | {"expires": "2023-11-14T22:13:30Z"}).encode()
    record = Record("events", 0, 0, pipeline.clock.now_ms(), None, value)
    _ = [done async for done in pipeline.resolve([record])]
    pipeline.clock.advance(60_000)

    await pipeline.run(pipeline.resolve, [record])
    await pipeline.deliver()

    assert await pipeline.states("e") == {
        ("alice", "email"): ("expired", "past_deadline"),
        ("alice", "inbox"): ("expired", "past_deadline"),
    }


async def test_a_delivered_entry_is_published_as_delivered_after_its_deadline() -> None:
    """Inbox died between ledger and Kafka; when the record is read again expired, the outcome is published."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT | {"expires": "2023-11-14T22:13:30Z"})
    _ = [done async for done in pipeline.deliver_inbox(pipeline.records("dispatch.inbox"))]
    pipeline.clock.advance(60_000)

    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))

    states = [o.state.value for o in pipeline.outcomes() if o.channel == "inbox"]
    assert states == ["delivered"]


async def deferred(pipeline: FakePipeline) -> list[Record]:
    """Return the record of a message that was deferred once; it has not been committed."""
    await pipeline.seed()
    row = pipeline.tables.recipients["alice"]
    greylisted = row.model_copy(update={"address": "deferred@simulator.test", "version": 9})
    await pipeline.tables.put_recipients([greylisted])
    await pipeline.ingest(EVENT)
    records = pipeline.email_records()
    await pipeline.run(pipeline.deliver_email, records)
    return records


async def mail(pipeline: FakePipeline) -> tuple[str, int]:
    """Return the state of the message, and its attempts."""
    event = event_key("/t", "e")
    entry = await pipeline.ledger.entry(event, delivery_id(event, "alice", "email"))
    assert entry is not None
    return entry.state.value, entry.newest_step.attempt


async def test_a_deferred_message_is_not_attempted_before_its_time() -> None:
    """The record is read again and finished; the outcome is re-emitted, with the time of the next attempt."""
    pipeline = FakePipeline()
    records = await deferred(pipeline)
    before = pipeline.outcomes()[-1]

    await pipeline.run(pipeline.deliver_email, records)

    assert await mail(pipeline) == ("deferred", 1)
    outcome = pipeline.outcomes()[-1]
    assert (outcome.state, outcome.attempt, outcome.next_ms) == (before.state, 1, before.next_ms)
    pipeline.clock.now = before.next_ms
    assert await pipeline.schedule.run_once() == 1
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())  # both records in one batch
    assert await mail(pipeline) == ("deferred", 2)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert await mail(pipeline) == ("deferred", 2)


async def test_a_worker_that_died_between_due_set_and_ledger_had_a_reply() -> None:
    """The next attempt is stored, so the message is deferred, not ambiguous, and waits for its time."""
    pipeline = FakePipeline()

    async def died(transitions: object) -> set[str]:
        raise asyncio.CancelledError

    with (
        patch.object(pipeline.deliver_email._settled, "_write_transitions", died),
        pytest.raises(asyncio.CancelledError),
    ):
        await deferred(pipeline)
    assert await mail(pipeline) == ("sending", 1)
    due_ms = await pipeline.due.oldest_ms()
    pipeline.clock.advance(9_000)  # its last heartbeat has expired

    await pipeline.run(pipeline.email_worker("worker-2"), pipeline.email_records())

    assert await mail(pipeline) == ("deferred", 1)
    outcome = pipeline.outcomes()[-1]
    assert (outcome.state.value, outcome.reason.value, outcome.next_ms) == ("deferred", "worker_died", due_ms)
