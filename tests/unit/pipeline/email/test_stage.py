"""The email stage: recheck, claim, submit, store."""

import asyncio

import pytest

from service.model.blocks.suppression import suppression
from service.model.ids import event_key
from service.model.reasons import Reason
from service.model.recipient import Choice, Recipient
from service.ports import Unavailable
from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}}


async def resolved(*events: dict[str, object]) -> FakePipeline:
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(*(events or (EVENT,)))
    return pipeline


async def email(pipeline: FakePipeline, event_id: str = "1", recipient: str = "alice") -> tuple[str, str]:
    return (await pipeline.states(event_id))[recipient, "email"]


async def readdress(pipeline: FakePipeline, address: str, **update: object) -> None:
    row = Recipient(id="alice", address=address, name="Alice", roles=("user",), version=9)
    await pipeline.tables.put_recipients([row.model_copy(update=update)])


async def test_a_message_is_sent_once_and_its_outcome_published() -> None:
    """One recipient a message; ledger and outcomes have `sent`, with relay and reply."""
    pipeline = await resolved()
    await pipeline.deliver()

    assert [m.recipient for m in pipeline.transport.accepted] == ["alice@example.com"]
    assert await email(pipeline) == ("sent", "")
    sent = [o for o in pipeline.outcomes() if o.state == "sent"]
    assert [(o.relay, o.reply, o.attempt) for o in sent] == [("fake", "250 2.0.0 ok", 1)]


async def test_a_record_read_again_sends_nothing_again() -> None:
    """The outcome is re-emitted, since it may have been lost."""
    pipeline = await resolved()
    await pipeline.deliver()
    await pipeline.deliver()

    assert set(pipeline.transport.copies.values()) == {1}
    assert len([o for o in pipeline.outcomes() if o.state == "sent"]) == 2


@pytest.mark.parametrize(
    ("address", "state", "reason"),
    [
        ("bounced@simulator.test", "bounced", "mailbox_unknown"),
        ("deferred@simulator.test", "deferred", "temporary"),
        ("dropped@simulator.test", "ambiguous", "lost_after_data"),
    ],
)
async def test_each_result_has_its_state(address: str, state: str, reason: str) -> None:
    """The ledger has the state and reason of the relay's reply."""
    pipeline = await resolved()
    await readdress(pipeline, address)
    await pipeline.deliver()

    assert await email(pipeline) == (state, reason)


async def test_a_deferred_message_is_dispatched_again_when_it_is_due() -> None:
    """The due set holds it; the scheduler dispatches it; the attempt counts."""
    pipeline = await resolved()
    await readdress(pipeline, "deferred@simulator.test")
    await pipeline.deliver()
    assert await pipeline.schedule.run_once() == 0
    pipeline.clock.advance(120_000)
    await readdress(pipeline, "alice@example.com", version=10)
    pipeline.topics.clear()
    assert await pipeline.schedule.run_once() == 1
    await pipeline.deliver()

    assert await email(pipeline) == ("sent", "")
    assert pipeline.outcomes()[-1].attempt == 2


async def test_a_dead_mailbox_is_suppressed_for_the_next_event() -> None:
    """A permanent mailbox error blocks mail to that address for every event."""
    pipeline = await resolved()
    await readdress(pipeline, "bounced@simulator.test")
    await pipeline.deliver()
    pipeline.topics.clear()
    await pipeline.ingest(EVENT | {"id": "2"})
    await pipeline.deliver()

    assert await email(pipeline, "2") == ("suppressed", "suppressed_address")


async def test_changes_since_resolve_are_applied() -> None:
    """Preference off, and a new address, between resolve and sending."""
    pipeline = await resolved(EVENT, EVENT | {"id": "2", "recipients": ["bob"]})
    await readdress(pipeline, "new@example.com")
    bob = pipeline.tables.recipients["bob"]
    off = {"winner:email": Choice(on=False, since_ms=1)}
    await pipeline.tables.put_recipients([bob.model_copy(update={"preferences": off, "version": 5})])
    await pipeline.deliver()

    assert [m.recipient for m in pipeline.transport.accepted] == ["new@example.com"]
    assert await email(pipeline, "2", "bob") == ("skipped", "preference_off")


async def test_a_deleted_contact_and_a_dropped_address_are_not_mailed() -> None:
    """A removed row is not mailed."""
    group = {"id": "g", "type": "invoice_available", "external_id": "12345"}
    pipeline = await resolved({"id": "a", "type": "payment_failed", "account": "acme"}, group)
    await pipeline.tables.delete_contact("acme", "c2", 9)
    row = pipeline.tables.groups["12345", ""]
    await pipeline.tables.put_group(row.model_copy(update={"addresses": {}, "version": 2}))
    await pipeline.deliver()

    assert [m.recipient for m in pipeline.transport.accepted] == ["c1@example.com"]
    assert await email(pipeline, "a", "c2") == ("skipped", "no_such_recipient")
    assert set((await pipeline.states("g")).values()) == {("skipped", "not_in_group")}


async def test_a_mandatory_type_passes_suppression() -> None:
    """Mandatory types are sent to a suppressed address too."""
    pipeline = await resolved({"id": "1", "type": "reset_password", "recipients": ["alice"]})
    await pipeline.tables.put_suppression(*suppression("alice@example.com", Reason.mailbox_unknown, 1))
    await pipeline.deliver()

    assert await email(pipeline) == ("sent", "")


async def test_an_expired_message_is_not_sent() -> None:
    """No message is sent after its deadline."""
    pipeline = await resolved()
    pipeline.clock.advance(86_400_000)
    await pipeline.deliver()

    assert not pipeline.transport.accepted
    assert await email(pipeline) == ("expired", "past_deadline")


async def test_a_withdrawn_message_is_not_sent() -> None:
    """The claim itself checks it."""
    pipeline = await resolved()
    await pipeline.ledger.withdraw(event_key("/t", "1"), pipeline.clock.now_ms(), 60)
    await pipeline.deliver()

    assert not pipeline.transport.accepted
    assert (await email(pipeline))[0] == "withdrawn"


async def test_no_relay_means_nothing_is_finished_and_no_attempt_is_burned() -> None:
    """Records stay in Kafka; the state is queued again."""
    pipeline = await resolved()
    pipeline.transport.unavailable = True
    with pytest.raises(Unavailable):
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert await email(pipeline) == ("queued", "relay_unavailable")
    pipeline.transport.unavailable = False
    await pipeline.deliver()

    assert pipeline.outcomes()[-1].attempt == 1
    assert set(pipeline.transport.copies.values()) == {1}


async def test_a_transition_that_fails_is_retried_until_it_is_stored() -> None:
    """A message that is out is never sent again because Redis was unavailable when its result came."""
    pipeline = await resolved()
    pipeline.transport.hold = True
    task = asyncio.create_task(pipeline.run(pipeline.deliver_email, pipeline.email_records()))
    while (await email(pipeline))[0] != "sending":
        await asyncio.sleep(0)
    pipeline.ledger.outage.reason = "redis: unavailable"
    pipeline.transport.release()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    pipeline.ledger.outage.reason = None
    await task

    assert await email(pipeline) == ("sent", "")
    assert set(pipeline.transport.copies.values()) == {1}


async def test_a_claim_of_a_dead_worker_is_ambiguous_and_sent_again() -> None:
    """The worker died with the message in flight; the type says to send it again, with the same Message-ID."""
    pipeline = await resolved()
    await die_while_sending(pipeline)
    await pipeline.run(pipeline.email_worker("worker-2"), pipeline.email_records())

    assert await email(pipeline) == ("sent", "")
    entry = next(
        e for e in [e async for e in pipeline.ledger.entries(event_key("/t", "1"))] if e.channel == "email"
    )
    assert [s.state.value for s in entry.steps] == ["sent", "sending", "ambiguous", "sending", "queued"]


async def test_a_type_may_leave_an_ambiguous_delivery_to_an_operator() -> None:
    """The delivery is held, with its reason, and not sent again."""
    pipeline = await resolved({"id": "1", "type": "held_when_unsure", "recipients": ["alice"]})
    await die_while_sending(pipeline)
    await pipeline.run(pipeline.email_worker("worker-2"), pipeline.email_records())
    await pipeline.run(pipeline.email_worker("worker-3"), pipeline.email_records())

    assert await email(pipeline) == ("held", "awaiting_operator")
    assert not pipeline.transport.accepted


async def test_a_claim_of_an_owner_with_a_heartbeat_is_waited_for() -> None:
    """Two workers with the same record: one sends, the other sees it sent."""
    pipeline = await resolved()
    await pipeline.workers.heartbeat(["worker-1"], 1000)
    pipeline.transport.hold = True
    records = pipeline.email_records()
    first = asyncio.create_task(pipeline.run(pipeline.deliver_email, records))
    while (await email(pipeline))[0] != "sending":
        await asyncio.sleep(0)
    second = asyncio.create_task(pipeline.run(pipeline.email_worker("worker-2"), records))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not second.done()
    pipeline.transport.hold = False
    pipeline.transport.release()
    await asyncio.gather(first, second)

    assert set(pipeline.transport.copies.values()) == {1}


async def test_a_delivery_that_cannot_be_rendered_is_dead_and_kept() -> None:
    """One broken delivery stops no other."""
    broken = EVENT | {"id": "2", "data": {"lot_id": "7", "unrenderable": True}}
    pipeline = await resolved(EVENT, broken)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert await email(pipeline, "2") == ("dead", "render_failed")
    assert await email(pipeline) == ("sent", "")
    assert pipeline.reasons() == ["render_failed"]


async def die_while_sending(pipeline: FakePipeline) -> None:
    """Let worker 1 claim, submit, and be cut off, until its last heartbeat has expired."""
    pipeline.transport.hold = True
    task = asyncio.create_task(pipeline.run(pipeline.deliver_email, pipeline.email_records()))
    while (await email(pipeline))[0] != "sending":
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    pipeline.transport.hold = False
    pipeline.clock.advance(9_000)


async def test_a_result_that_came_too_late_emits_the_current_outcome() -> None:
    """A worker believed dead was faster: the other one's result changes nothing, and it re-emits the outcome."""
    pipeline = await resolved()
    pipeline.transport.hold = True
    records = pipeline.email_records()
    first = asyncio.create_task(pipeline.run(pipeline.deliver_email, records))
    while (await email(pipeline))[0] != "sending":
        await asyncio.sleep(0)
    await readdress(pipeline, "deferred@simulator.test")
    pipeline.clock.advance(86_400_000 - 1)  # the next attempt would be too late, so this result means expired
    second = asyncio.create_task(pipeline.run(pipeline.email_worker("worker-2"), records))
    while len(pipeline.transport._held) < 2:
        await asyncio.sleep(0)
    pipeline.transport.release()
    await asyncio.gather(first, second)

    assert await email(pipeline) == ("sent", "")
    states = [o.state.value for o in pipeline.outcomes() if o.channel == "email"]
    assert "expired" not in states
    assert states[-1] == "sent"
