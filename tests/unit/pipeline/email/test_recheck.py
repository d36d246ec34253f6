"""The recheck before sending sees what has changed since resolve (ADR 4)."""

import pytest

from service.model.blocks.suppression import suppression
from service.model.blocks.unsubscribe import Unsubscribe, unsubscribe_key
from service.model.ids import address_key, address_pseudonym, delivery_id, event_key
from service.model.mail import Reply, SendResult, SendStatus
from service.model.reasons import Reason
from tests.support.fake_pipeline import FakePipeline
from tests.unit.pipeline.email.test_stage import EVENT, email, resolved

WEEK_MS = 7 * 86_400_000


async def unsubscribe(pipeline: FakePipeline, recipient: str, type_name: str, account: str = "") -> None:
    key = unsubscribe_key(account, recipient, type_name)
    await pipeline.tables.put_unsubscribe(Unsubscribe(id=key, type=type_name, by="a link", version=5))


async def test_an_unsubscribe_takes_effect_before_the_next_send() -> None:
    """Deliveries that are queued already are skipped too; other types and the inbox are not affected."""
    pipeline = await resolved(EVENT, {"id": "2", "type": "own_news", "recipients": ["alice"]})
    await unsubscribe(pipeline, "alice", "winner")
    await pipeline.deliver()

    assert await email(pipeline) == ("skipped", "unsubscribed")
    assert await email(pipeline, "2") == ("sent", "")
    assert (await pipeline.states("1"))["alice", "inbox"] == ("delivered", "")
    outcome = next(o for o in pipeline.outcomes() if o.reason is Reason.unsubscribed)
    assert outcome.detail == "unsubscribed since 5 by a link"


async def test_a_contact_unsubscribes_in_its_account_only() -> None:
    """The other contact of the account is mailed; an id of no account is another."""
    pipeline = await resolved({"id": "1", "type": "payment_failed", "account": "acme"})
    await unsubscribe(pipeline, "c1", "payment_failed", "acme")
    await unsubscribe(pipeline, "c2", "payment_failed")
    await pipeline.deliver()

    assert [m.recipient for m in pipeline.transport.accepted] == ["c2@example.com"]


async def test_an_address_of_a_group_can_unsubscribe() -> None:
    """The address is known by its pseudonym; the group's list does not restore it."""
    pipeline = await resolved({"id": "1", "type": "invoice_available", "external_id": "12345"})
    member = address_pseudonym("billing@example.com")
    await unsubscribe(pipeline, member, "invoice_available")
    await pipeline.deliver()

    assert not pipeline.transport.accepted
    assert await email(pipeline, "1", member) == ("skipped", "unsubscribed")


async def test_a_mandatory_type_passes_an_unsubscribe() -> None:
    """Unsubscribes are not even looked up for it."""
    pipeline = await resolved({"id": "1", "type": "reset_password", "recipients": ["alice"]})
    await unsubscribe(pipeline, "alice", "reset_password")
    await pipeline.deliver()

    assert await email(pipeline) == ("sent", "")


@pytest.mark.parametrize(
    ("type_name", "read", "state"),
    [
        ("read_or_mailed", True, ("skipped", "already_read")),
        ("read_or_mailed", False, ("sent", "")),
        ("winner", True, ("sent", "")),
    ],
)
async def test_a_notification_read_in_the_inbox_is_not_mailed(
    type_name: str, read: bool, state: tuple[str, str]
) -> None:
    """Types with `skip_email_if_read` are not mailed, but only if the entry was read."""
    pipeline = await resolved(
        {"id": "1", "type": type_name, "recipients": ["alice"], "data": {"lot_id": "7"}}
    )
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))
    if read:
        item = delivery_id(event_key("/t", "1"), "alice", "inbox")
        assert await pipeline.inbox.mark_read("alice", [item], pipeline.clock.now_ms()) == [True]
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert await email(pipeline) == state


async def test_a_suppression_that_has_ended_blocks_nothing() -> None:
    """Before its end it blocks."""
    pipeline = await resolved(EVENT, EVENT | {"id": "2"})
    now = pipeline.clock.now_ms()
    await pipeline.tables.put_suppression(
        *suppression("alice@example.com", Reason.mailbox_full, now, "", now + 1000)
    )
    records = pipeline.email_records()
    await pipeline.run(pipeline.deliver_email, [r._replace(offset=0) for r in records[:1]])
    pipeline.clock.advance(1000)
    await pipeline.run(pipeline.deliver_email, [r._replace(offset=0) for r in records[1:]])

    assert await email(pipeline) == ("suppressed", "suppressed_address")
    assert await email(pipeline, "2") == ("sent", "")


FULL = SendResult(
    SendStatus.deferred, Reason.mailbox_full, Reply(452, "4.2.2", "full"), "fake", "rcpt", scores=True
)


async def full_mailbox(pipeline: FakePipeline, *event_ids: str, type_name: str = "winner") -> None:
    """Deliver these events to a mailbox that is full."""
    pipeline.transport.fixed = FULL
    pipeline.topics.clear()
    await pipeline.ingest(*(EVENT | {"id": event_id, "type": type_name} for event_id in event_ids))
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    pipeline.transport.fixed = None


async def test_soft_bounces_score_and_fade() -> None:
    """Five soft bounces in a short time block mail for a while, as the table's topic records; then it is sent again."""
    pipeline = await resolved()
    await full_mailbox(pipeline, *"abcd")
    assert not pipeline.tables.suppressions
    await full_mailbox(pipeline, "e")

    row = pipeline.tables.suppressions[address_key("alice@example.com")]
    assert (row.reason, row.until_ms) == (Reason.mailbox_full, pipeline.clock.now_ms() + WEEK_MS)
    assert [m.key for m in pipeline.topics["tables.suppressions"]] == [
        address_key("alice@example.com").encode()
    ]
    await pipeline.ingest(EVENT | {"id": "f"})
    await pipeline.deliver()
    assert await email(pipeline, "f") == ("suppressed", "suppressed_address")
    pipeline.clock.advance(WEEK_MS)
    pipeline.topics.clear()
    await pipeline.ingest(EVENT | {"id": "g"})
    await pipeline.deliver()
    assert await email(pipeline, "g") == ("sent", "")


async def test_one_delivery_counts_once_a_day_however_many_attempts_it_has() -> None:
    """A mailbox that is full for a day has failed once, whatever the other attempts met."""
    pipeline = await resolved()
    await full_mailbox(pipeline, "a")
    greylisted = SendResult(SendStatus.deferred, Reason.greylisted, None, "fake", "rcpt")
    for number in range(4):
        pipeline.clock.advance(20_000_000)
        pipeline.transport.fixed = greylisted if number == 1 else FULL
        pipeline.topics.clear()
        if not await pipeline.schedule.run_once():
            break
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert pipeline.scores.scores[address_key("alice@example.com")][0] == 1.0


async def test_only_faults_of_the_mailbox_score() -> None:
    """Count no network fault, no rate, no unknown cause and no fault of ours, however often they come."""
    pipeline = await resolved()
    for number, reason in enumerate(
        (Reason.rate_limited, Reason.temporary, Reason.host_refused, Reason.relay_busy)
    ):
        pipeline.transport.fixed = SendResult(SendStatus.deferred, reason, None, "fake", "rcpt")
        await pipeline.ingest(EVENT | {"id": f"n{number}"})
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert not pipeline.scores.scores


async def test_a_lasting_suppression_is_not_replaced_by_one_that_ends() -> None:
    """A suppression by an operator or a permanent error stays; mandatory mail may still meet a full mailbox."""
    pipeline = await resolved()
    await pipeline.tables.put_suppression(*suppression("alice@example.com", Reason.by_operator, 1))
    await full_mailbox(pipeline, *"abcdef", type_name="reset_password")

    row = pipeline.tables.suppressions[address_key("alice@example.com")]
    assert (row.reason, row.until_ms) == (Reason.by_operator, 0)


async def test_scores_that_cannot_be_counted_block_no_mail() -> None:
    """Scores are best effort."""
    pipeline = await resolved()
    pipeline.scores.outage.reason = "redis: unavailable"
    await full_mailbox(pipeline, "a")

    assert await email(pipeline, "a") == ("deferred", "mailbox_full")
