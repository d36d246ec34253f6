"""A record that comes again after a crash, when the world has moved on: what was begun is still ended and told."""

import json

from service.model.record import Record
from tests.pipelines import Pipeline

EVENT = {"id": "e", "source": "/t", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "1"}}


async def test_what_was_entered_and_never_handed_on_is_handed_on_after_its_deadline() -> None:
    """Resolve died between ledger and Kafka; the event comes again expired, and its deliveries still end."""
    line = Pipeline()
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
    line = Pipeline()
    await line.seed()
    await line.publish(EVENT | {"expires": "2023-11-14T22:13:30Z"})
    _ = [done async for done in line.deliver_inbox(line.records("dispatch.inbox"))]
    line.clock.advance(60_000)

    await line.run(line.deliver_inbox, line.records("dispatch.inbox"))

    told = [o.state.value for o in line.outcomes() if o.channel == "inbox"]
    assert told == ["queued", "delivered"]
