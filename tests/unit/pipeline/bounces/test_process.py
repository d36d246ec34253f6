"""Reports are trusted by the signature of their envelope sender, and written to the ledger."""

import pytest

from service.model.delivery import Delivery
from service.model.holds.digest import digest_of
from service.model.ids import address_key
from service.model.ledger import NewEntry, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.signatures.verp import Verp
from service.pipeline.bounces.process import BounceProcessor
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.from_log import event_of
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.ports import EventHead, Unavailable
from tests.support.bounce_messages import (
    auto_reply,
    complaint,
    dsn,
    feedback,
    multipart,
    plain_bounce,
    report,
)
from tests.support.fake_pipeline import TOPICS, FakePipeline
from tests.unit.pipeline.email.test_stage import email, resolved

VERP = Verp(["a-secret-of-this-test"], "bounces.tocsin.test")
TOKENS = UnsubscribeTokens(["a-secret-of-this-test"], 30)
COMPLAINTS = "complaints@bounces.tocsin.test"
KEY = address_key("alice@example.com")


def bounces_of(pipeline: FakePipeline) -> BounceProcessor:
    soft = SoftBounceScorer(pipeline.scores, pipeline.tables, pipeline.tables, TOPICS, pipeline.clock)
    return BounceProcessor(
        VERP, pipeline.ledger, tables=pipeline.tables, writes=pipeline.tables, soft=soft, topics=TOPICS,
        clock=pipeline.clock, publisher=pipeline, tokens=TOKENS,
    )  # fmt: skip


async def sent(*events: dict[str, object]) -> tuple[FakePipeline, BounceProcessor, str]:
    """Return a pipeline that has sent its messages, and the envelope sender of the first one."""
    pipeline = await resolved(*events)
    await pipeline.deliver()
    delivery = Delivery.from_bytes(pipeline.email_records()[0].value)
    return pipeline, bounces_of(pipeline), VERP.address(delivery)


def delivery_of(pipeline: FakePipeline) -> Delivery:
    return Delivery.from_bytes(pipeline.email_records()[0].value)


def last_outcome(pipeline: FakePipeline) -> Outcome:
    return pipeline.outcomes()[-1]


async def test_a_mailbox_that_is_unknown() -> None:
    """sent → bounced, the address suppressed, both published; the other server's text without addresses."""
    pipeline, bounces, sender = await sent()

    assert await bounces.process_message(dsn(sender), [sender]) == ("bounced", "mailbox_unknown")

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


@pytest.mark.conformance(
    "RFC 3464",
    "2.3.3 delayed",
    "Neither closes a delivery nor counts against the mailbox, whatever the status.",
)
@pytest.mark.parametrize("status", ["4.4.1", "4.2.2", "5.1.1"])
async def test_a_notice_of_a_delay_changes_nothing(status: str) -> None:
    """Whatever its status: the relay still tries. It is no fault of the mailbox, so it does not score either."""
    pipeline, bounces, sender = await sent()
    for _ in range(6):
        assert await bounces.process_message(dsn(sender, action="delayed", status=status), [sender]) == (
            "dropped",
            "delayed",
        )

    assert await email(pipeline) == ("sent", "")
    assert not pipeline.tables.suppressions
    assert not pipeline.topics.get("dispatch.soft-bounces")


@pytest.mark.conformance("RFC 3464", "2.3.3 failed", "Closes the delivery, whatever the status.")
async def test_failed_is_final_with_a_temporary_status_too() -> None:
    """RFC 3464 section 2.3.3: the relay has given up. The reason says so, and the address is not suppressed."""
    pipeline, bounces, sender = await sent()
    expired = dsn(sender, status="4.4.7", diagnostic="smtp; 451 4.4.7 message expired")

    assert await bounces.process_message(expired, [sender]) == ("bounced", "expired_in_transit")

    assert await email(pipeline) == ("bounced", "expired_in_transit")
    assert not pipeline.tables.suppressions


async def test_a_full_mailbox_scores_once_a_delivery() -> None:
    """However often its report comes; five deliveries block mail for a while."""
    pipeline, bounces, sender = await sent()
    full = dsn(sender, status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full")
    for _ in range(6):
        assert await bounces.process_message(full, [sender]) == ("bounced", "mailbox_full")

    assert len(pipeline.topics["dispatch.soft-bounces"]) == 1
    assert not pipeline.tables.suppressions


async def test_a_mailbox_that_stayed_full_until_the_relay_gave_up() -> None:
    """The delivery has the reason for that, and the mailbox scores."""
    pipeline, bounces, sender = await sent()
    full = dsn(sender, status="4.2.2", diagnostic="smtp; 452 4.2.2 mailbox full")

    assert await bounces.process_message(full, [sender]) == ("bounced", "mailbox_full")

    assert await email(pipeline) == ("bounced", "expired_in_transit")
    assert len(pipeline.topics["dispatch.soft-bounces"]) == 1


async def test_a_complaint_blocks_mail() -> None:
    """A complaint comes to the complaints address, and the message that it quotes has the envelope sender."""
    pipeline, bounces, sender = await sent()

    assert await bounces.process_message(complaint(sender), [COMPLAINTS]) == ("complained", "")

    assert await email(pipeline) == ("bounced", "complaint_received")
    assert pipeline.tables.suppressions[KEY].reason is Reason.complaint_received


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: dsn(s[:10] + ("a" if s[10] != "a" else "b") + s[11:]), "bad_signature"),
        (lambda s: dsn("b-x@bounces.tocsin.test"), "bad_signature"),
        (lambda s: dsn("alice@example.com"), "not_ours"),
        (auto_reply, "auto_reply"),
        (lambda s: b"\xff\0" * 1000, "not_ours"),
        (lambda s: dsn(s, status="2.1.5", action="delivered"), "no_failure"),
        (lambda s: complaint(s, kind="not-spam"), "no_complaint"),
    ],
)  # fmt: skip
async def test_a_report_that_cannot_be_trusted_is_dropped(change, reason: str) -> None:  # type: ignore[no-untyped-def]
    """With its reason; nothing is written."""
    pipeline, bounces, sender = await sent()
    before = len(pipeline.outcomes())

    assert await bounces.process_message(change(sender)) == ("dropped", reason)

    assert await email(pipeline) == ("sent", "")
    assert not pipeline.tables.suppressions
    assert len(pipeline.outcomes()) == before


@pytest.mark.parametrize(
    "text", ["Something is odd.", "", "Undelivered.", "Wir konnten das nicht.", "\u0428" * 5000, "550"]
)
async def test_what_cannot_be_judged_is_recorded(text: str) -> None:
    """For the operator, once; it closes and suppresses nothing, and a clear bounce may follow."""
    pipeline, bounces, sender = await sent()
    for _ in range(2):
        assert await bounces.process_message(plain_bounce(sender, text), [sender]) == ("returned", "")

    assert await email(pipeline) == ("returned", "unjudged_return")
    assert not pipeline.tables.suppressions
    outcome = last_outcome(pipeline)
    assert (outcome.state, outcome.reason) == ("returned", "unjudged_return")
    assert len({o.at_ms for o in pipeline.outcomes() if o.state == "returned"}) == 1

    await bounces.process_message(dsn(sender), [sender])
    assert await email(pipeline) == ("bounced", "bounce_received")


@pytest.mark.parametrize("state", [State.sending, State.ambiguous])
async def test_what_cannot_be_judged_leaves_an_open_delivery_as_it_is(state: State) -> None:
    """Its next attempt depends on its state. One that is being sent is recorded later: the other server retries."""
    _, _, sender = await sent()
    origin = VERP.read(sender)
    assert origin
    event, delivery = origin.event, origin.delivery
    pipeline = FakePipeline()
    await pipeline.ledger.open(
        (), [NewEntry(event, delivery, "alice", "email", State.queued, Reason.none, 1)]
    )
    for to in dict.fromkeys([State.sending, state]):
        await pipeline.ledger.transition([Transition(event, delivery, to, Reason.none, 2, 1)])

    try:
        result = (await bounces_of(pipeline).process_message(plain_bounce(sender, "Odd."), [sender])).result
    except Unavailable:
        result = "unavailable"

    assert result == {State.sending: "unavailable", State.ambiguous: "returned"}[state]
    entry = await pipeline.ledger.entry(event, delivery)
    assert entry
    assert entry.state is state


@pytest.mark.parametrize(
    "text",
    [
        "<alice@example.com>:\nSorry, no mailbox here by that name. (#5.1.1)",
        "550 5.1.1 <alice@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        "Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'",
        "alice@example.com: user unknown",
        f"{'Please read the following page carefully. ' * 100}\nThe server said: 550 5.1.1 User unknown",
    ],
)
async def test_words_alone_are_judged(text: str) -> None:
    """The signed address proves the delivery, whatever the form of the bounce is."""
    pipeline, bounces, sender = await sent()

    assert (await bounces.process_message(plain_bounce(sender, text), [sender])).result == "bounced"

    assert set(pipeline.tables.suppressions) == {KEY}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("rejected: Not enough disk space", "5.1.1"),
        ("550 Unknown user alice@example.com (in reply to end of DATA command)", "5.0.0"),
    ],
)
async def test_words_that_speak_against_an_unknown_mailbox(text: str, status: str) -> None:
    """The delivery is closed, but the address is not suppressed: there is evidence for and against."""
    pipeline, bounces, sender = await sent()
    group = f"Final-Recipient: rfc822; alice@example.com\nAction: failed\nStatus: {status}\n"
    raw = report(sender, f"{group}Diagnostic-Code: smtp; 550 user unknown", text=text)

    assert (await bounces.process_message(raw, [sender])).result == "bounced"

    assert not pipeline.tables.suppressions


@pytest.mark.parametrize(
    "text",
    [
        "host mx.example.com[192.0.2.4] said: 550 Unknown user (in reply to\n    MAIL FROM command)",
        "host mx.example.com[192.0.2.4] refused to talk to me: 550 mailbox full",
        "host mx.example.com [192.0.2.4]\n    SMTP error from remote mail server after MAIL FROM:<n@shop.test>:\n"
        "    550 Account suspended",
        "Connected to 192.0.2.4 but sender was rejected.\nRemote host said: 550 Domain does not exist",
        "... while talking to mx.example.com.:\n>>> MAIL From:<n@shop.test> SIZE=3\n<<< 550 5.1.1 User unknown",
    ],
)
async def test_a_refusal_before_the_recipient_was_named(text: str) -> None:
    """The delivery is closed; nothing counts against the mailbox, which the other server has not been asked about."""
    pipeline, bounces, sender = await sent()
    fields = "Status: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 user unknown"
    group = f"Final-Recipient: rfc822; alice@example.com\nAction: failed\n{fields}\n"
    for raw in (report(sender, group, text=text), plain_bounce(sender, f"<alice@example.com>:\n{text}")):
        assert await bounces.process_message(raw, [sender]) == ("bounced", "sender_refused")

    assert not pipeline.tables.suppressions
    assert not pipeline.topics.get("dispatch.soft-bounces")


async def test_words_that_only_quote_the_signed_address_prove_nothing() -> None:
    """They came to another address: a letter to the postmaster is counted and logged, and changes nothing."""
    pipeline, bounces, sender = await sent()
    letter = plain_bounce("postmaster@bounces.tocsin.test", f"{sender}: user unknown")

    assert await bounces.process_message(letter, ["postmaster@bounces.tocsin.test"]) == (
        "received",
        "postmaster",
    )
    assert await bounces.process_message(letter.replace(b"postmaster@", b"x@"), []) == (
        "dropped",
        "bad_signature",
    )

    assert await email(pipeline) == ("sent", "")


async def test_a_report_that_went_through_srs_and_batv() -> None:
    """The signed local part is found inside what other servers make of the address."""
    pipeline, bounces, sender = await sent()
    local = sender.partition("@")[0]
    changed = f"PRVS=1234abcdef={local.upper()}@bounces.tocsin.test"
    await bounces.process_message(dsn(f"SRS0=HH=TT=bounces.tocsin.test={local}@forwarder.test"), [changed])

    assert await email(pipeline) == ("bounced", "bounce_received")


async def link_of(pipeline: FakePipeline) -> str:
    return f"List-Unsubscribe: <https://shop.test/unsubscribe/{TOKENS.token(delivery_of(pipeline))}>"


async def test_a_complaint_is_proven_by_the_unsubscribe_link() -> None:
    """Without an envelope sender or any address: exactly the mailbox that the link was mailed to is suppressed."""
    pipeline, bounces, _ = await sent()
    raw = feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: <bob@example.com>", await link_of(pipeline))

    assert await bounces.process_message(raw, [COMPLAINTS]) == ("complained", "by_token")

    assert set(pipeline.tables.suppressions) == {KEY}
    assert pipeline.tables.suppressions[KEY].reason is Reason.complaint_received
    assert [m.key for m in pipeline.topics["tables.suppressions"]] == [KEY.encode()]


async def test_a_complaint_about_a_digest_is_proven_by_its_link() -> None:
    """Its link is for a group of types; the mailbox that it was mailed to is suppressed."""
    pipeline, bounces, _ = await sent()
    digest = digest_of(delivery_of(pipeline), "bids", pipeline.clock.now_ms())
    link = f"List-Unsubscribe: <https://shop.test/unsubscribe/{TOKENS.digest_token(digest, 'bids')}>"

    result = await bounces.process_message(feedback("Feedback-Type: abuse", link), [COMPLAINTS])
    assert result == ("complained", "by_token")
    assert set(pipeline.tables.suppressions) == {KEY}


async def test_a_bounce_of_a_digest() -> None:
    """A digest bounces as any mail: found by its return address, closed in the ledger, its mailbox suppressed."""
    pipeline, bounces, _ = await sent()
    digest = digest_of(delivery_of(pipeline), "bids", pipeline.clock.now_ms())
    now_ms = pipeline.clock.now_ms()
    entry = NewEntry(
        digest.event, digest.id, "alice", "email", State.queued, Reason.none, now_ms, "", digest.rule, ""
    )
    await pipeline.ledger.open([EventHead(event_of(digest), 86_400)], [entry])
    for state in (State.sending, State.sent):
        await pipeline.ledger.transition([Transition(digest.event, digest.id, state, Reason.none, now_ms)])
    sender = bounces.verp.address(digest)

    assert (await bounces.process_message(dsn(sender), [sender])).result == "bounced"
    found = await pipeline.ledger.entry(digest.event, digest.id)
    assert found is not None
    assert found.state is State.bounced
    assert set(pipeline.tables.suppressions) == {KEY}
    assert [one.type for one in pipeline.outcomes() if one.delivery == digest.id] == ["digest"]


async def test_a_forged_complaint_is_dropped() -> None:
    """A changed link, another's secret, no proof at all."""
    pipeline, bounces, _ = await sent()
    link = await link_of(pipeline)
    for quoted in (
        link.replace("/unsubscribe/", "/unsubscribe/0"),
        link.replace("winner", "overbid"),
        "From: a@b.test",
    ):
        result = await bounces.process_message(feedback("Feedback-Type: abuse", quoted), [COMPLAINTS])
        assert result.result == "dropped"

    assert not pipeline.tables.suppressions


async def test_a_message_quoted_to_the_complaints_address_is_a_complaint() -> None:
    """Some providers send no report. The same to another mailbox is only received."""
    pipeline, bounces, _ = await sent()
    part = f"Content-Type: message/rfc822\n\n{await link_of(pipeline)}\n\nhi"
    quote = multipart("mixed", part, sender=COMPLAINTS, subject="FW: x")
    for program, human in (
        (b"MAILER-DAEMON", b"desk"),
        (b"Mail Delivery", b"Abuse"),
        (b"auto-replied", b"no"),
    ):
        quote = quote.replace(program, human)

    assert (await bounces.process_message(quote.replace(b"complaints@", b"abuse@"), [])).result == "received"
    assert not pipeline.tables.suppressions
    assert await bounces.process_message(quote, [COMPLAINTS]) == ("complained", "by_token")
    assert set(pipeline.tables.suppressions) == {KEY}


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
