"""Redis loses its data while messages are out: the email stage sends nothing more, and sent ones stay sent."""

import asyncio

from service.model.blocks.suppression import Suppression
from service.model.delivery import Delivery
from service.model.ids import address_key
from service.model.ledger import State, Transition
from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason, SendReason
from service.model.recipient import Recipient
from service.pipeline.email.settle import SettledDelivery
from tests.fakes.ledger import FakeLedger
from tests.support.fake_pipeline import FakePipeline

WINNER = {"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "9"}}


async def test_a_result_after_a_rebuild_claims_its_delivery_again() -> None:
    """The message was out when Redis was emptied, and its `sent` must be stored, or it would be sent twice.

    There are no outcomes of claims, so the rebuilt delivery is queued.
    """
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(WINNER)
    pipeline.transport.hold = True
    sending = asyncio.create_task(pipeline.run(pipeline.deliver_email, pipeline.email_records()))
    while not pipeline.transport._held:
        await asyncio.sleep(0)
    lost, rebuilt = pipeline.ledger._events.copy(), FakeLedger()
    pipeline.ledger._events.clear()
    pipeline.ledger.outage.reason = "Redis is not complete"
    pipeline.transport.release()
    await asyncio.sleep(0)
    for key, event in lost.items():
        queued = {i: row.entry for i, row in event.rows.items()}
        rebuilt_event = rebuilt._event(key)
        rebuilt_event.head = event.head
        for delivery, entry in queued.items():
            rebuilt_event.rows[delivery] = type(event.rows[delivery])(
                type(entry)(entry.event, delivery, entry.recipient, entry.channel, entry.steps[-1:])
            )
    pipeline.ledger._events.update(rebuilt._events)
    pipeline.ledger.outage.reason = None
    await sending

    assert (await pipeline.states("1"))["alice", "email"] == ("sent", "")
    pipeline.transport.hold = False
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert set(pipeline.transport.copies.values()) == {1}


async def test_a_suppression_goes_to_its_topic() -> None:
    """With the results that caused it, keyed by the address's hash; and again when the outcome is re-emitted."""
    pipeline = FakePipeline()
    await pipeline.seed()
    bad = "bounced@simulator.test"
    await pipeline.tables.put_recipients([Recipient(id="alice", address=bad, version=5)])
    await pipeline.ingest(WINNER)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    (record,) = pipeline.topics["tables.suppressions"]
    row = await pipeline.tables.suppression(bad)
    assert record.key == address_key(bad).encode()
    assert row is not None
    assert Suppression.from_bytes(record.value or b"") == row
    assert row.reason is Reason.mailbox_unknown
    assert bad.encode() not in (record.value or b"")

    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert pipeline.topics["tables.suppressions"] == [record, record]


async def test_a_claim_of_another_worker_is_left_alone() -> None:
    """A delivery is claimed again only if no worker has claimed it."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(WINNER)
    (entry,) = [
        e async for e in pipeline.ledger.entries(next(iter(pipeline.ledger._events))) if e.channel == "email"
    ]
    expired = Transition(entry.event, entry.delivery, State.expired, Reason.past_deadline, 1)
    await pipeline.ledger.transition([expired])
    sent = Transition(entry.event, entry.delivery, State.sent, Reason.none, 2, 1)
    delivery = Delivery.from_bytes(pipeline.email_records()[0].value)
    settled = SettledDelivery(delivery, sent, SendResult(SendStatus.accepted, SendReason.accepted))
    await pipeline.deliver_email._settled._write_transitions([settled])
    assert (await pipeline.states("1"))["alice", "email"] == ("expired", "past_deadline")
