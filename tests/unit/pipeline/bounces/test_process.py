"""Reports are trusted by the signature of their envelope sender, and written to the ledger."""

import pytest

from service.model.delivery import Delivery
from service.model.ids import address_key
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.verp import Verp
from service.pipeline.bounces.process import BounceProcessor
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.ports import Unavailable
from tests.support.bounce_messages import auto_reply, complaint, dsn
from tests.support.fake_pipeline import TOPICS, FakePipeline
from tests.unit.pipeline.email.test_stage import email, resolved

VERP = Verp(["a-secret-of-this-test"], "bounces.tocsin.test")
KEY = address_key("alice@example.com")


def bounces_of(pipeline: FakePipeline) -> BounceProcessor:
    soft = SoftBounceScorer(pipeline.scores, pipeline.tables, pipeline.tables, TOPICS, pipeline.clock)
    return BounceProcessor(
        VERP, pipeline.ledger, tables=pipeline.tables, writes=pipeline.tables, soft=soft, topics=TOPICS,
        clock=pipeline.clock, publisher=pipeline,
    )  # fmt: skip


async def sent(*events: dict[str, object]) -> tuple[FakePipeline, BounceProcessor, str]:
    """Return a pipeline that has sent its messages, and the envelope sender of the first one."""
    pipeline = await resolved(*events)
    await pipeline.deliver()
    delivery = Delivery.from_bytes(pipeline.email_records()[0].value)
    return pipeline, bounces_of(pipeline), VERP.address(delivery)


def last_outcome(pipeline: FakePipeline) -> Outcome:
    return pipeline.outcomes()[-1]


async def test_a_mailbox_that_is_unknown() -> None:
    """sent → bounced, the address suppressed, both published; the other server's text without addresses."""
    pipeline, bounces, sender = await sent()

    assert await bounces.process_message(dsn(sender), [sender]) == ("bounced", "5")

    assert await email(pipeline) == ("bounced", "bounce_received")
    row = pipeline.tables.suppressions[KEY]
    assert (row.reason, row.until_ms) == (Reason.mailbox_unknown, 0)
    assert "alice" not in row.detail
    outcome = last_outcome(pipeline)
    assert (outcome.type, outcome.event_id, outcome.state) == ("winner", "1", "bounced")
    assert "5.1.1" in outcome.detail
    assert "alice@" not in outcome.detail
    assert [m.key for m in pipeline.topics["tables.suppressions"]] == [KEY.encode()]


async def test_the_same_report_again_changes_nothing() -> None:
    """The outcome is re-emitted, since the first one may have been lost; the ledger has one step."""
    pipeline, bounces, sender = await sent()
    for _ in range(3):
        await bounces.process_message(dsn(sender), [sender])

    assert await email(pipeline) == ("bounced", "bounce_received")
    steps = [o for o in pipeline.outcomes() if o.state == "bounced"]
    assert len(steps) == 3
    assert len({o.at_ms for o in steps}) == 1


async def test_a_refusal_of_the_message_is_not_the_mailboxs_fault() -> None:
    """The ledger has the bounce; the address is not suppressed."""
    pipeline, bounces, sender = await sent()
    await bounces.process_message(dsn(sender, status="5.7.1", diagnostic="smtp; 554 5.7.1 spam"), [sender])

    assert await email(pipeline) == ("bounced", "bounce_received")
    assert not pipeline.tables.suppressions


async def test_a_temporary_failure_only_scores() -> None:
    """Such a report is not final; five of them block mail for a while."""
    pipeline, bounces, sender = await sent()
    temporary = dsn(sender, status="4.2.2", diagnostic="smtp; 452 4.2.2 full")
    for _ in range(4):
        assert await bounces.process_message(temporary, [sender]) == ("scored", "4")
    assert await email(pipeline) == ("sent", "")
    assert not pipeline.tables.suppressions
    await bounces.process_message(temporary, [sender])

    assert pipeline.tables.suppressions[KEY].reason is Reason.mailbox_full
    assert pipeline.tables.suppressions[KEY].until_ms


async def test_a_complaint_blocks_mail() -> None:
    """A complaint comes to the complaints address, and the message that it quotes has the envelope sender."""
    pipeline, bounces, sender = await sent()

    assert await bounces.process_message(complaint(sender), ["complaints@bounces.tocsin.test"]) == (
        "complained",
        "",
    )

    assert await email(pipeline) == ("bounced", "complaint_received")
    assert pipeline.tables.suppressions[KEY].reason is Reason.complaint_received


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: dsn(s[:10] + ("a" if s[10] != "a" else "b") + s[11:]), "bad_signature"),
        (lambda s: dsn("b-x@bounces.tocsin.test"), "bad_signature"),
        (lambda s: dsn("alice@example.com"), "not_ours"),
        (auto_reply, "no_report"),
        (lambda s: b"\xff\0" * 1000, "no_report"),
        (lambda s: dsn(s, status="2.1.5", action="delivered"), "no_failure"),
        (lambda s: complaint(s, kind="not-spam"), "no_complaint"),
    ],
)  # fmt: skip
async def test_a_report_that_cannot_be_trusted_is_dropped(change, reason: str) -> None:  # type: ignore[no-untyped-def]
    """With its reason, and nothing is written."""
    pipeline, bounces, sender = await sent()
    before = len(pipeline.outcomes())

    assert await bounces.process_message(change(sender)) == ("dropped", reason)

    assert await email(pipeline) == ("sent", "")
    assert not pipeline.tables.suppressions
    assert len(pipeline.outcomes()) == before


async def test_a_signed_sender_is_no_proof_for_other_addresses() -> None:
    """The recipient of a message knows its sender, and must not block another recipient's mail with it."""
    pipeline, bounces, sender = await sent()
    await bounces.process_message(dsn(sender, recipient="bob@example.com"), [sender])

    assert set(pipeline.tables.suppressions) == {KEY}


async def test_an_address_that_was_changed_meanwhile_is_not_suppressed() -> None:
    """The ledger has the bounce; the new address had no part in it."""
    pipeline, bounces, sender = await sent()
    row = pipeline.tables.recipients["alice"].model_copy(update={"address": "new@example.com", "version": 9})
    await pipeline.tables.put_recipients([row])
    await bounces.process_message(dsn(sender, recipient="x@example.com"), [sender])

    assert await email(pipeline) == ("bounced", "bounce_received")
    assert not pipeline.tables.suppressions


async def test_a_member_of_a_group_is_suppressed_by_its_key() -> None:
    """No table has the address, but the recipient's id has its hash."""
    pipeline, bounces, sender = await sent({"id": "1", "type": "invoice_available", "external_id": "12345"})
    await bounces.process_message(dsn(sender, recipient="forwarded@example.org"), [sender])

    assert set(pipeline.tables.suppressions) == {address_key("billing@example.com")}


async def test_a_bounce_of_a_delivery_no_longer_in_the_ledger_still_suppresses() -> None:
    """The signature proves it; there is only no outcome left to publish."""
    _, _, sender = await sent()
    other = FakePipeline()
    await bounces_of(other).process_message(dsn(sender), [sender])

    assert set(other.tables.suppressions) == {KEY}
    assert "dispatch.outcomes" not in other.topics


async def test_an_unavailable_redis_is_reported() -> None:
    """The caller repeats the report."""
    pipeline, bounces, sender = await sent()
    pipeline.ledger.outage.reason = "redis: unavailable"
    with pytest.raises(Unavailable):
        await bounces.process_message(dsn(sender), [sender])
    pipeline.ledger.outage.reason = None
    await bounces.process_message(dsn(sender), [sender])

    assert await email(pipeline) == ("bounced", "bounce_received")
