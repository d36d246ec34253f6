"""Replies of relays: whose fault each is, and what follows for the message, the mailbox and the relay."""

import pytest

from service.adapters.smtp.replies import to_reply
from service.model.classifier import Certainty, Diagnosis, Fault, RelayEffect, SmtpPhase, classify
from service.model.mail import Reply, SendStatus
from service.model.reasons import Reason, SendReason

M, R, D, F = SmtpPhase.mail, SmtpPhase.rcpt, SmtpPhase.data, SmtpPhase.final
BOUNCED, DEFERRED, UNSENT = SendStatus.bounced, SendStatus.deferred, SendStatus.unsent
NONE, COOLDOWN, MISCONFIGURED = RelayEffect.none, RelayEffect.cooldown, RelayEffect.misconfigured

Sample = tuple[SmtpPhase, str]

# what follows → the replies for which it is right
EXPECTED: dict[tuple[Fault, SendStatus, Reason, bool, RelayEffect], list[Sample]] = {
    # the mailbox or its domain does not exist: closed, suppressed, no effect on the relay
    (Fault.mailbox, BOUNCED, Reason.mailbox_unknown, True, NONE): [
        (R, "550 5.7.1 No such user!"),
        (R, "552 1 Requested mail action aborted, mailbox not found"),
        (R, "554 delivery error: dd a@yahoo.test is no longer valid."),
    ],
    (Fault.mailbox, BOUNCED, Reason.mailbox_full, False, NONE): [
        (R, "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]"),
        (
            R,
            "552 5.2.2 The recipient inbox is out of storage space and inactive. 552 5.2.2 see OverQuotaPerm",
        ),
    ],
    # this mailbox takes mail from some senders only
    (Fault.mailbox, BOUNCED, Reason.policy_refused, False, NONE): [
        (R, "550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required"),
        (R, "550 SMTP AUTH is required for this recipient"),
    ],
    (Fault.content, BOUNCED, Reason.spam_refused, False, NONE): [
        (F, "552 Message rejected: contains forbidden content"),
    ],
    (Fault.domain, BOUNCED, Reason.mail_loop, False, NONE): [
        (R, "551 5.7.1 Loop detected: Email is sent and forwarded"),
    ],
    (Fault.network, BOUNCED, Reason.destination_unreachable, False, NONE): [
        (R, "550 5.4.1 No answer from host"),
    ],
    # our faults: the message waits, the mailbox is not blamed, the relay stops when unrelated recipients meet it
    (Fault.account, DEFERRED, Reason.account_refused, False, MISCONFIGURED): [
        (F, "552 Your account has been suspended. Please contact us to reactivate"),
        (F, "554 5.7.1 Your account has been suspended, contact support"),
        (R, "550 5.1.8 Access denied, bad outbound sender AS(42003)"),
        (R, "550 5.7.1 Account is disabled, sending not permitted"),
    ],
    (Fault.account, DEFERRED, Reason.account_refused, False, COOLDOWN): [
        (R, "451 Authentication failed: Maximum credits exceeded"),
        (R, "550 5.7.705 Access denied, tenant has exceeded threshold"),
    ],
    (Fault.sender, DEFERRED, Reason.sender_refused, False, MISCONFIGURED): [
        (F, "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied"),
        (R, "553 5.7.1 <n@shop.test>: Sender address rejected: not logged in"),
        (R, "553 5.7.1 <n@shop.test>: Sender address rejected: not owned by user tocsin"),
        (
            R,
            "550 Verification failed for <b-x@bounces.shop.test> 550-No Such User Here 550 Sender verify failed",
        ),
    ],
    (Fault.sender, BOUNCED, Reason.sender_refused, False, NONE): [
        (R, "501 5.1.0 Emetteur invalide. Invalid Sender. OFR004_405 [405]"),
    ],
    (Fault.host, DEFERRED, Reason.host_refused, False, MISCONFIGURED): [
        (R, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname"),
        (R, "550 5.7.1 <localhost>: Helo command rejected: You are not localhost"),
        (R, "550 The IP address sending this message does not have a PTR record setup"),
    ],
    (Fault.host, DEFERRED, Reason.host_refused, False, COOLDOWN): [
        (
            R,
            "553 5.7.2 [TSS09] All messages from 192.0.2.25 will be permanently deferred; Retrying will NOT succeed.",
        ),
        (R, "554 5.7.1 <unknown[192.0.2.9]>: Client host rejected: Access denied"),
        (R, "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org"),
        (
            R,
            "554 This IP has been temporarily blocked for attempting to mail too many invalid recipients. IB112",
        ),
    ],
    (Fault.rate, DEFERRED, Reason.rate_limited, False, NONE): [
        (R, "450 4.7.3 Organization queue quota exceeded."),
        (
            R,
            "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional "
            "messages from being delivered.",
        ),
    ],
    (Fault.rate, DEFERRED, Reason.rate_limited, False, COOLDOWN): [
        (R, "550 Too many invalid recipients"),
    ],
}
ROWS = [(expected, phase, text) for expected, samples in EXPECTED.items() for phase, text in samples]


def diagnosis(text: str, phase: SmtpPhase) -> Diagnosis:
    return classify(to_reply(int(text[:3]), text[4:].encode()), phase)


@pytest.mark.parametrize(
    ("expected", "phase", "text"), ROWS, ids=[f"{phase}-{text[:70]}" for _, phase, text in ROWS]
)
def test_replies(
    expected: tuple[Fault, SendStatus, Reason, bool, RelayEffect], phase: SmtpPhase, text: str
) -> None:
    """Name the party at fault, and let follow what helps: nothing that blames a recipient for a fault of ours."""
    result = diagnosis(text, phase)

    assert (result.fault, result.status, result.reason, result.suppress, result.effect) == expected, result


@pytest.mark.parametrize("phase", SmtpPhase)
@pytest.mark.parametrize("code", [400, 421, 450, 451, 452, 454, 499, 500, 501, 521, 550, 552, 554, 555, 559])
def test_every_refusal_is_decided(code: int, phase: SmtpPhase) -> None:
    """Never bounce a 4xx, never take a 5xx for success, and suppress nothing by a bare code, whatever the phase."""
    result = classify(Reply(code, "", ""), phase)

    assert result.status in (BOUNCED, DEFERRED, UNSENT)
    assert not (code < 500 and result.status is BOUNCED)
    assert not result.suppress
    assert not result.judged or result.certainty is not Certainty.certain or phase is M or code == 503


def test_success_is_not_classified() -> None:
    """Raise ValueError for a reply that is no refusal."""
    with pytest.raises(ValueError, match="not a refusal"):
        classify(Reply(250, "2.0.0", "Ok"), F)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("451 4.7.1 Greylisted, try again in 120 seconds", 120.0),
        ("450 4.7.1 Greylisted, retry after 5 minutes", 300.0),
        ("451 4.7.1 Greylisted for 1 minute", 300.0),
        ("450 4.2.0 please wait 2 hours", 7200.0),
        ("450 4.2.0 please wait 99999 hours", 14400.0),
        ("450 4.2.0 something", None),
    ],
)
def test_a_waiting_time_in_the_text_is_used(text: str, seconds: float | None) -> None:
    """Prefer the waiting time that the server names over our own, up to four hours."""
    assert diagnosis(text, R).retry_after_s == seconds


def test_what_is_about_us_stops_the_relay_at_once_only_before_a_recipient_is_named() -> None:
    """In reply to MAIL a certain fault of ours leaves the message unsent; to RCPT it may be about the recipient."""
    at_mail = diagnosis("530 5.7.0 Authentication required", M)
    assert (at_mail.status, at_mail.reason, at_mail.effect, at_mail.at_once) == (
        UNSENT, SendReason.auth_failed, MISCONFIGURED, True,
    )  # fmt: skip
    later = diagnosis("530 5.7.0 Authentication required", R)
    assert (later.status, later.reason, later.effect, later.at_once) == (
        DEFERRED, Reason.account_refused, MISCONFIGURED, False,
    )  # fmt: skip
