"""The table of reply rules: every rule has texts that real servers send, each in its phase."""

import time

import pytest

from service.adapters.smtp.classify import TABLE, Effect, SmtpPhase, classify, rule_for
from service.adapters.smtp.replies import to_reply
from service.model.mail import Reply, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason

M, R, D, F = SmtpPhase.mail, SmtpPhase.rcpt, SmtpPhase.data, SmtpPhase.final

SAMPLES: list[tuple[str, SmtpPhase, str]] = [
    ("421 rotation", M, "421 4.7.0 Max message per connection reached, closing transmission channel"),
    ("421 rotation", M, "421 Too many messages (100) in this connection"),
    ("421 rotation", F, "421 Maximum number of mails for this session exceeded"),
    ("421 message limit", M, "421 4.4.5 Connection message limit reached"),
    ("421 message limit", M, "421 session limit, reconnect please"),
    ("421 idle", M, "421 4.4.2 mx.example.com Error: timeout exceeded"),
    ("421 idle", M, "421 idle for too long"),
    ("421 before the recipient", M, "421 4.3.2 Service not available, closing transmission channel"),
    ("421 before the recipient", M, "421 4.7.0 Too many connections from your IP"),
    ("421", R, "421 4.7.28 Our system has detected an unusual rate of unsolicited mail"),
    ("421", F, "421 4.3.0 Temporary System Problem"),
    ("authentication code", M, "530 5.7.0 Authentication Required"),
    ("authentication code", R, "530 5.7.57 Client not authenticated to send mail"),
    ("authentication code", M, "535 5.7.8 Username and Password not accepted"),
    ("authentication enhanced", M, "550 5.7.13 User account disabled"),
    ("authentication text", R, "550 5.7.1 SMTP authentication is required"),
    ("authentication text", R, "554 You are not authenticated"),
    ("454 authentication", M, "454 4.7.0 Temporary authentication failure"),
    ("454 authentication", M, "454 TLS not available due to temporary reason"),
    ("sending quota", F, "550 5.4.5 Daily user sending quota exceeded"),
    ("sending quota", M, "454 Throttling failure: Daily message quota exceeded"),
    ("sending quota", M, "454 Throttling failure: Maximum sending rate exceeded"),
    ("503", D, "503 5.5.1 Bad sequence of commands"),
    ("sender: size", M, "552 5.3.4 Message size exceeds fixed limit"),
    ("sender: size", M, "552 Message size exceeds fixed maximum message size"),
    ("sender: smtputf8", M, "553 5.6.7 Non-ASCII addresses not permitted"),
    ("sender refused", M, "550 5.1.0 Sender rejected"),
    ("sender refused", M, "550 5.1.8 Sender address rejected: Domain not found"),
    ("sender refused", M, "554 Transaction failed"),
    ("sender not ours", M, "553 5.7.1 Sender address rejected: not owned by user app"),
    ("sender not ours", M, "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
    ("sender not ours", M, "550 Sender address not verified"),
    ("sending rate", M, "550 5.7.0 Requested action not taken: too many emails per second"),
    ("authentication enhanced", M, "550 5.7.0 Denied"),
    ("sender refused", M, "554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org"),
    ("relaying denied", R, "554 5.7.1 <u@example.com>: Relay access denied"),
    ("relaying denied", R, "550 relay not permitted"),
    ("relaying denied", R, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
    ("relaying denied", R, "454 4.7.1 Relay access denied"),
    (
        "greylisted",
        R,
        "450 4.2.0 <u@example.com>: Recipient address rejected: Greylisted, see http://postgrey.test/",
    ),
    ("greylisted", R, "451 4.7.1 Greylisting in action, please come back later"),
    ("greylisted", F, "451 graylisted - try again in 300 seconds"),
    ("system storage", M, "452 4.3.1 Insufficient system storage"),
    ("system storage", R, "452 Requested action not taken: insufficient system storage"),
    ("mailbox full, temporary", R, "452 4.2.2 The email account that you tried to reach is over quota"),
    ("mailbox full, temporary", R, "450 mailbox is full"),
    (
        "rate limited",
        R,
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents",
    ),
    ("rate limited", F, "451 4.7.650 The mail server has been temporarily rate limited due to IP reputation"),
    ("rate limited", R, "452 4.5.3 Too many recipients"),
    ("rate limited", R, "450 4.7.1 Error: too much mail from 192.0.2.1"),
    (
        "spam, temporary",
        F,
        "451 4.7.0 [TSS04] Messages temporarily deferred due to user complaints",
    ),
    ("greylisted by code", R, "451 4.7.1 Please try again later"),
    ("greylisted by code", R, "450 4.7.1 Service unavailable"),
    ("policy, temporary", F, "451 4.7.24 The SPF record lookup had a temporary error"),
    ("too many recipients", R, "452 4.5.3 Recipients"),
    ("temporary", R, "450 4.1.1 unverified address: host does not answer"),
    ("temporary", F, "451 Requested action aborted: local error in processing"),
    ("temporary", R, "451 4.4.1 Connection timed out"),
    ("smtputf8", R, "550 5.6.7 SMTPUTF8 required"),
    (
        "sender authentication",
        F,
        "550 5.7.26 Unauthenticated email from example.com is not accepted: DMARC policy",
    ),
    ("sender authentication", F, "554 Message rejected: SPF check failed"),
    ("mailbox disabled", R, "550 5.2.1 The email account that you tried to reach is disabled"),
    ("mailbox disabled", R, "554 delivery error: This mailbox is inactive"),
    ("mailbox disabled", R, "550 account has been suspended"),
    ("domain unknown", R, "550 5.1.2 Bad destination system address"),
    ("domain unknown", R, "556 5.1.10 Recipient address has null MX"),
    ("domain unknown", R, "550 5.4.4 Host not found"),
    ("domain unknown", R, "550 Domain not found"),
    ("mailbox unknown", R, "550 5.1.1 The email account that you tried to reach does not exist"),
    ("mailbox unknown", F, "550 5.1.1 <u@example.com>: Recipient address rejected: User unknown in table"),
    ("mailbox unknown", R, "551 5.1.6 Recipient has moved"),
    ("mailbox full", R, "552 5.2.2 The email account that you tried to reach is over quota"),
    ("mailbox full", R, "552 Requested mail action aborted: exceeded storage allocation"),
    ("mailbox full", F, "554 5.2.2 mailbox full"),
    ("mailbox full", R, "550 Mailbox quota exceeded"),
    ("too big", F, "552 5.3.4 Message size exceeds limit"),
    ("too big", F, "552 Message too large"),
    ("too big", F, "550 5.2.3 Message length exceeds administrative limit"),
    ("spam", F, "554 5.7.1 Message classified as spam"),
    ("spam", R, "550 5.7.1 Service unavailable, client host [192.0.2.1] blocked using Spamhaus"),
    ("spam", F, "552 5.7.0 This message was blocked because its content presents a potential virus"),
    ("spam", F, "550 5.7.1 This message is likely unsolicited mail"),
    ("access denied, unknown recipient", R, "550 5.4.1 Recipient address rejected: Access denied."),
    ("mailbox unknown by text", R, "550 User unknown"),
    ("mailbox unknown by text", R, "550 No such user here"),
    ("mailbox unknown by text", R, "550 Requested action not taken: mailbox unavailable"),
    ("mailbox unknown by text", R, "554 delivery error: This user doesn't have an account"),
    ("mailbox unknown by text", R, "550 Unrouteable address"),
    ("mailbox unknown by text", R, "550 Invalid recipient"),
    ("mailbox unknown by text", R, "550 5.0.0 Address is not valid"),
    ("rate limited, refused", R, "550 5.7.0 Too many messages, slow down"),
    ("not a local user", R, "551 try elsewhere"),
    ("mailbox name", R, "553 Requested action not taken"),
    ("content", F, "554 5.6.0 Message contains invalid header"),
    ("policy", F, "550 5.7.1 Message rejected due to policy"),
    ("policy", F, "554 Administrative prohibition"),
    ("permanent", F, "554 Transaction failed"),
    ("permanent", R, "550 Denied"),
    ("permanent", R, "500 Line too long"),
]


def parsed(text: str) -> Reply:
    return to_reply(int(text[:3]), text[4:].encode())


@pytest.mark.parametrize(("name", "phase", "text"), SAMPLES, ids=[text[:60] for _, _, text in SAMPLES])
def test_rule(name: str, phase: SmtpPhase, text: str) -> None:
    """Decide each reply by the rule meant for it."""
    assert rule_for(parsed(text), phase).name == name


def test_every_rule_has_a_sample() -> None:
    """Require a sample text for every rule, and unique names."""
    assert {name for name, _, _ in SAMPLES} == {rule.name for rule in TABLE}
    assert len({rule.name for rule in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("text", "phase", "status", "reason", "suppress"),
    [
        ("550 5.1.1 User unknown", R, SendStatus.bounced, Reason.mailbox_unknown, True),
        ("550 User unknown", R, SendStatus.bounced, Reason.mailbox_unknown, True),
        ("550 5.2.1 Disabled", R, SendStatus.bounced, Reason.mailbox_disabled, True),
        ("552 5.2.2 Full", R, SendStatus.bounced, Reason.mailbox_full, False),
        ("452 4.2.2 Full", R, SendStatus.deferred, Reason.mailbox_full, False),
        ("554 5.7.1 Spam", F, SendStatus.bounced, Reason.spam_refused, False),
        ("550 5.7.26 DMARC", F, SendStatus.bounced, Reason.policy_refused, False),
        ("451 4.7.1 Greylisted", R, SendStatus.deferred, Reason.greylisted, False),
        ("550 Denied", R, SendStatus.bounced, Reason.permanent, False),
        ("535 5.7.8 No", M, SendStatus.unsent, SendReason.auth_failed, False),
        ("550 5.1.0 Sender rejected", M, SendStatus.deferred, Reason.sender_refused, False),
        ("553 5.7.1 Sender not owned by user", M, SendStatus.unsent, Reason.sender_refused, False),
        ("550 5.7.0 Denied", M, SendStatus.unsent, SendReason.auth_failed, False),
    ],
)
def test_meanings(
    text: str, phase: SmtpPhase, status: SendStatus, reason: ResultReason, suppress: bool
) -> None:
    """Suppress an address only for errors of the mailbox itself; count no attempt for our own faults."""
    meaning = classify(parsed(text), phase)

    assert (meaning.status, meaning.reason, meaning.suppress) == (status, reason, suppress)


def test_codes_keep_their_class() -> None:
    """Never treat a 4xx as permanent; count no attempt for a fault of ours; suppress only what bounces."""
    for rule in TABLE:
        if rule.pattern.pattern.startswith("^4"):
            assert rule.meaning.status is not SendStatus.bounced, rule.name
        if rule.meaning.effect is Effect.fault:
            assert rule.meaning.status is SendStatus.unsent, rule.name
        if rule.meaning.suppress:
            assert rule.meaning.status is SendStatus.bounced, rule.name


@pytest.mark.parametrize("phase", SmtpPhase)
@pytest.mark.parametrize("code", [400, 421, 450, 451, 452, 454, 499, 500, 501, 521, 550, 552, 554, 555, 559])
def test_every_refusal_is_decided(code: int, phase: SmtpPhase) -> None:
    """Never bounce a 4xx and never take a 5xx for success, whatever the text."""
    meaning = classify(Reply(code, "", ""), phase)

    assert meaning.status in (SendStatus.bounced, SendStatus.deferred, SendStatus.unsent)
    assert not (code < 500 and meaning.status is SendStatus.bounced)


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
    assert classify(parsed(text), R).retry_after_s == seconds


def test_reasons_of_attempts_are_reasons_of_the_ledger() -> None:
    """Use only reasons of the ledger for results that enter the ledger."""
    transport_only = set(SendReason)
    assert not {reason.value for reason in transport_only} & {reason.value for reason in Reason}
    for rule in TABLE:
        if rule.meaning.status is not SendStatus.unsent:
            assert rule.meaning.reason not in transport_only, rule.name


def test_hostile_texts_take_no_time() -> None:
    """Classify five hundred octets of anything within milliseconds."""
    began = time.process_time()
    for seed in ("mailbox ", "too many ", "message size ", "quota over ", "a", "user unknown recipient "):
        classify(Reply(559, "", (seed * 500)[:500]), F)

    assert time.process_time() - began < 0.5
