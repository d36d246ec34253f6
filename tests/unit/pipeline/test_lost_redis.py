"""Redis loses its data while mail is out: the email stage sends nothing more, and what was sent stays sent."""

import asyncio

from service.model.ids import address_key
from service.model.ledger import State, Transition
from service.model.reasons import Reason
from service.model.recipient import Recipient
from service.model.suppression import Suppression
from tests.fakes.ledger import FakeLedger
from tests.support.fake_pipeline import FakePipeline

WINNER = {"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "9"}}


async def test_a_mark_after_a_rebuild_claims_its_delivery_anew() -> None:
    """The mail was out when Redis was emptied, and its `sent` must be taken, or it would go out twice.

    No outcome tells of claims, so the rebuilt delivery is queued.
    """
    line = FakePipeline()
    await line.seed()
    await line.ingest(WINNER)
    line.transport.hold = True
    sending = asyncio.create_task(line.run(line.deliver_email, line.email_records()))
    while not line.transport._held:
        await asyncio.sleep(0)
    lost, rebuilt = line.ledger._events.copy(), FakeLedger()
    line.ledger._events.clear()
    line.ledger.outage.reason = "Redis is not complete"
    line.transport.release()
    await asyncio.sleep(0)
    for key, event in lost.items():
        queued = {i: row.entry for i, row in event.rows.items()}
        known = rebuilt._event(key)
        known.head = event.head
        for delivery, entry in queued.items():
            known.rows[delivery] = type(event.rows[delivery])(
                type(entry)(entry.event, delivery, entry.recipient, entry.channel, entry.steps[-1:])
            )
    line.ledger._events.update(rebuilt._events)
    line.ledger.outage.reason = None
    await sending

    assert (await line.states("1"))["alice", "email"] == ("sent", "")
    line.transport.hold = False
    await line.run(line.deliver_email, line.email_records())
    assert set(line.transport.copies.values()) == {1}


async def test_a_suppression_goes_to_its_topic() -> None:
    """With the group of answers that made it, keyed by the address's hash; and again when the answer is told again."""
    line = FakePipeline()
    await line.seed()
    bad = "bounced@simulator.test"
    await line.tables.put_recipients([Recipient(id="alice", address=bad, version=5)])
    await line.ingest(WINNER)
    await line.run(line.deliver_email, line.email_records())
    (told,) = line.topics["tables.suppressions"]
    row = await line.tables.suppression(bad)
    assert told.key == address_key(bad).encode()
    assert row is not None
    assert Suppression.from_bytes(told.value or b"") == row
    assert row.reason is Reason.mailbox_unknown
    assert bad.encode() not in (told.value or b"")

    await line.run(line.deliver_email, line.email_records())
    assert line.topics["tables.suppressions"] == [told, told]


async def test_a_claim_of_another_worker_is_left_alone() -> None:
    """Only what no worker has claimed is claimed anew."""
    line = FakePipeline()
    await line.seed()
    await line.ingest(WINNER)
    (entry,) = [e async for e in line.ledger.entries(next(iter(line.ledger._events))) if e.channel == "email"]
    moves = [Transition(entry.event, entry.delivery, State.expired, Reason.past_deadline, 1)]
    await line.ledger.transition(moves)
    await line.deliver_email._mark([Transition(entry.event, entry.delivery, State.sent, Reason.none, 2, 1)])
    assert (await line.states("1"))["alice", "email"] == ("expired", "past_deadline")
