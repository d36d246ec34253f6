"""A record that comes again after a crash, when the world has moved on: what was begun is still ended and told."""

import asyncio
import json
from unittest.mock import patch

import pytest

from service.model.ids import delivery_id, event_key
from service.model.record import Record
from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "e", "source": "/t", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "1"}}


async def test_what_was_entered_and_never_handed_on_is_handed_on_after_its_deadline() -> None:
    """Resolve died between ledger and Kafka; the event comes again expired, and its deliveries still end."""
    line = FakePipeline()
    await line.seed()
    value = json.dumps(EVENT | {"expires": "2023-11-14T22:13:30Z"}).encode()
    record = Record("events", 0, 0, line.clock.now_ms(), None, value)
    _ = [done async for done in line.resolve([record])]
    line.clock.advance(60_000)

    await line.run(line.resolve, [record])
    await line.deliver()

    assert await line.states("e") == {
        ("alice", "email"): ("expired", "past_deadline"),
        ("alice", "inbox"): ("expired", "past_deadline"),
    }


async def test_a_delivered_entry_is_told_as_delivered_after_its_deadline() -> None:
    """Inbox died between ledger and Kafka; when it comes again expired, operators hear what became of it."""
    line = FakePipeline()
    await line.seed()
    await line.ingest(EVENT | {"expires": "2023-11-14T22:13:30Z"})
    _ = [done async for done in line.deliver_inbox(line.records("dispatch.inbox"))]
    line.clock.advance(60_000)

    await line.run(line.deliver_inbox, line.records("dispatch.inbox"))

    told = [o.state.value for o in line.outcomes() if o.channel == "inbox"]
    assert told == ["queued", "delivered"]


async def tried(line: FakePipeline) -> list[Record]:
    """The record of a mail that was put off once; it has not been committed."""
    await line.seed()
    row = line.tables.recipients["alice"]
    greylisted = row.model_copy(update={"address": "deferred@simulator.test", "version": 9})
    await line.tables.put_recipients([greylisted])
    await line.ingest(EVENT)
    records = line.email_records()
    await line.run(line.deliver_email, records)
    return records


async def mail(line: FakePipeline) -> tuple[str, int]:
    """Where the mail stands, after how many attempts."""
    event = event_key("/t", "e")
    entry = await line.ledger.entry(event, delivery_id(event, "alice", "email"))
    assert entry is not None
    return entry.state.value, entry.steps[0].attempt


async def test_a_deferred_mail_is_not_tried_before_its_time() -> None:
    """Its record comes again and is finished; what it came to is told once more, with the time of the next attempt."""
    line = FakePipeline()
    records = await tried(line)
    before = line.outcomes()[-1]

    await line.run(line.deliver_email, records)

    assert await mail(line) == ("deferred", 1)
    told = line.outcomes()[-1]
    assert (told.state, told.attempt, told.next_ms) == (before.state, 1, before.next_ms)
    line.clock.now = before.next_ms
    assert await line.schedule.run_once() == 1
    await line.run(line.deliver_email, line.email_records())  # both records in one batch
    assert await mail(line) == ("deferred", 2)
    await line.run(line.deliver_email, line.email_records())
    assert await mail(line) == ("deferred", 2)


async def test_a_worker_that_died_between_due_set_and_ledger_had_been_answered() -> None:
    """The next attempt is stored, so the mail is deferred, not ambiguous, and waits for its time."""
    line = FakePipeline()

    async def died(moves: object) -> set[str]:
        raise asyncio.CancelledError

    with patch.object(line.deliver_email, "_mark", died), pytest.raises(asyncio.CancelledError):
        await tried(line)
    assert await mail(line) == ("sending", 1)
    due_ms = await line.due.oldest_ms()
    line.clock.advance(9_000)  # its last sign of life is too old

    await line.run(line.email_worker("worker-2"), line.email_records())

    assert await mail(line) == ("deferred", 1)
    told = line.outcomes()[-1]
    assert (told.state.value, told.reason.value, told.next_ms) == ("deferred", "worker_died", due_ms)
