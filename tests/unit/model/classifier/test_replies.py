"""Replies of relays: whose fault each is, and what follows for the message, the mailbox and the relay."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from service.adapters.smtp.replies import to_reply
from service.model.classifier import (
    TABLE,
    Certainty,
    Diagnosis,
    Fault,
    RelayEffect,
    SmtpPhase,
    classify,
    rule_for,
)
from service.model.mail import Reply, SendStatus
from service.model.reasons import Reason, SendReason

M, R, F, A = SmtpPhase.mail, SmtpPhase.rcpt, SmtpPhase.final, SmtpPhase.auth
BOUNCED, DEFERRED, UNSENT = SendStatus.bounced, SendStatus.deferred, SendStatus.unsent
NONE, COOLDOWN, MISCONFIGURED = RelayEffect.none, RelayEffect.cooldown, RelayEffect.misconfigured


def diagnosis(text: str, phase: SmtpPhase = R) -> Diagnosis:
    return classify(to_reply(int(text[:3]), text[4:].encode()), phase)


def _waits(d: Diagnosis) -> bool:
    return d.status in (DEFERRED, UNSENT) and not d.suppress


FOLLOWS: dict[str, Callable[[Diagnosis], bool]] = {
    "dead": lambda d: (d.status, d.suppress, d.effect, d.scores) == (BOUNCED, True, NONE, False),
    "full": lambda d: (d.reason, d.suppress, d.scores, d.effect) == (Reason.mailbox_full, False, True, NONE),
    "restricted": lambda d: (
        (d.fault, d.status, d.suppress, d.effect) == (Fault.mailbox, BOUNCED, False, NONE)
    ),
    "misconfigured": lambda d: _waits(d) and d.fault.ours and d.effect is MISCONFIGURED,
    "limited": lambda d: _waits(d) and d.effect is COOLDOWN,
    "rate": lambda d: _waits(d) and (d.effect, d.scores) == (NONE, False),
    "final": lambda d: (d.status, d.suppress, d.effect, d.scores) == (BOUNCED, False, NONE, False),
    "temporary": lambda d: _waits(d) and d.effect is not MISCONFIGURED and not d.fault.ours,
}


def samples() -> list[tuple[str, SmtpPhase, str]]:
    """Read replies.txt: the kind in brackets, then its replies."""
    kind, rows = "", []
    for line in (Path(__file__).parent / "replies.txt").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"\[(\w+)\]", line):
            kind = heading[1]
        elif line and not line.startswith("#"):
            phase, _, text = line.partition(" ")
            rows.append((kind, SmtpPhase(phase), text))
    return rows


@pytest.mark.parametrize(("kind", "phase", "text"), samples())
def test_replies(kind: str, phase: SmtpPhase, text: str) -> None:
    """Let follow what the kind demands: nothing that blames a recipient for a fault of ours, or us for a mailbox."""
    result = diagnosis(text, phase)

    assert FOLLOWS[kind](result), result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox", Reason.policy_refused),
        ("550 5.1.8 Access denied, bad outbound sender AS(42003)", Reason.account_refused),
        ("550 5.7.705 Access denied, tenant has exceeded threshold", Reason.account_refused),
        ("553 5.7.1 <n@shop.test>: Sender address rejected: not owned by user tocsin", Reason.sender_refused),
        ("504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", Reason.host_refused),
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org",
            Reason.host_refused,
        ),
        ("550 5.7.26 Unauthenticated email is not accepted: DMARC policy", Reason.sender_unauthenticated),
        ("551 5.7.1 Loop detected: Email is sent and forwarded", Reason.mail_loop),
        ("550 5.4.1 No answer from host", Reason.destination_unreachable),
        ("552 Message rejected: contains forbidden content", Reason.spam_refused),
        ("501 5.1.0 Emetteur invalide. Invalid Sender. OFR004_405 [405]", Reason.sender_refused),
        ("450 4.7.3 Organization queue quota exceeded.", Reason.rate_limited),
        ("550 User suspended", Reason.mailbox_disabled),
        ("550 Domain not found", Reason.domain_unknown),
        ("452 4.3.1 Insufficient system storage", Reason.relay_busy),
        ("451 4.7.1 Please try again later", Reason.greylisted),
        ("550 Denied", Reason.policy_refused),
        ("554 Transaction failed", Reason.permanent),
    ],
)
def test_reasons(text: str, reason: Reason) -> None:
    """Give the reason that `explain` prints."""
    assert diagnosis(text).reason is reason


@pytest.mark.parametrize("phase", SmtpPhase)
@pytest.mark.parametrize("code", [400, 421, 450, 451, 452, 454, 499, 500, 501, 521, 550, 552, 554, 555, 559])
def test_every_refusal_is_decided(code: int, phase: SmtpPhase) -> None:
    """Never bounce a 4xx, never take a 5xx for success, and suppress nothing by a bare code, whatever the phase."""
    result = classify(Reply(code, "", ""), phase)

    assert result.status in (BOUNCED, DEFERRED, UNSENT)
    assert not (code < 500 and result.status is BOUNCED)
    assert not result.suppress
    assert not result.at_once or phase is M


@pytest.mark.parametrize(
    "enhanced", ["5.0.0", "5.1.0", "5.2.0", "5.3.0", "5.4.0", "5.5.0", "5.6.0", "5.7.0", "5.7.1"]
)
@pytest.mark.parametrize("code", range(550, 556))
def test_a_class_suppresses_nothing(code: int, enhanced: str) -> None:
    """Suppress a mailbox by evidence about it, never by the class of a code."""
    assert not classify(Reply(code, enhanced, "Failed"), R).suppress


@pytest.mark.parametrize(
    ("text", "suppress"),
    [
        ("550 Cannot deliver (#5.1.1)", True),
        ("550 cuda_nsu 5.1.1 Rejected for now", True),
        ("550 host mx.shop.test said: 550 5.1.1 no", True),
        ("550 5.1.1.7 is the address of mx.shop.test", False),
        ("550 Failed at 10.5.1.1", False),
        ("550 Running version 5.1.1 of the filter", False),
        ("550 Failed (mx 5.1.1.23)", False),
        ("550 host said: 450 5.1.1 no", False),
    ],
)
def test_a_dotted_number_is_a_status_only_where_servers_put_one(text: str, suppress: bool) -> None:
    """Read no status out of an IP address, a version number or a code of another class."""
    assert diagnosis(text).suppress is suppress


@pytest.mark.parametrize(
    "name", ["no-such-user", "spam", "mailbox.full", "over-quota", "blacklisted", "rate-limit"]
)
def test_addresses_and_links_are_no_words(name: str) -> None:
    """Judge by the server's words, not by the names of mailboxes and pages in them."""
    plain = diagnosis("550 5.7.1 <ann@shop.test>: see https://help.test/why for more")
    assert diagnosis(f"550 5.7.1 <{name}@shop.test>: see https://help.test/{name} for more") == plain


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
    assert diagnosis(text).retry_after_s == seconds


def test_what_is_about_us_stops_the_relay_at_once_only_before_a_recipient_is_named() -> None:
    """In reply to MAIL a certain fault of ours leaves the message unsent; to RCPT it may be about the recipient."""
    at_mail = diagnosis("530 5.7.0 Authentication required", M)
    assert (at_mail.status, at_mail.reason, at_mail.effect, at_mail.at_once) == (
        UNSENT, SendReason.auth_failed, MISCONFIGURED, True,
    )  # fmt: skip
    later = diagnosis("530 5.7.0 Authentication required")
    assert (later.status, later.reason, later.effect, later.at_once) == (
        DEFERRED, Reason.account_refused, MISCONFIGURED, False,
    )  # fmt: skip


def test_the_table_keeps_its_promises() -> None:
    """A fault of ours never bounces for sure and never suppresses; what suppresses is about a mailbox or its domain."""
    assert len({rule.name for rule in TABLE}) == len(TABLE)
    for rule in TABLE:
        assert rule.on_4xx is not BOUNCED, rule.name
        assert not rule.suppress or rule.fault in (Fault.mailbox, Fault.domain), rule.name
        assert not rule.scores or rule.fault is Fault.mailbox, rule.name
        if rule.fault.ours:
            assert not rule.suppress, rule.name
            assert rule.on_5xx is not BOUNCED or rule.certainty is not Certainty.certain, rule.name
        if isinstance(rule.reason, SendReason):
            assert rule.phases in ({M}, {A}), f"{rule.name}: only an unsent message may have it"
            assert rule.effect is MISCONFIGURED, rule.name


def test_every_row_decides_a_sample() -> None:
    """A row that no sample reaches is dead or unknown."""
    extra = [
        (M, "421 4.7.0 Max message per connection reached, closing transmission channel"),
        (M, "421 4.4.2 mx.example.com Error: timeout exceeded"),
        (R, "503 5.5.1 Bad sequence of commands"),
        (A, "538 5.7.11 Encryption required for this mechanism"),
        (A, "535 Your account has been suspended"),
        (A, "454 4.7.0 Too many login attempts"),
        (A, "535 5.7.8 Authentication failed"),
        (M, "552 5.3.4 Message size exceeds fixed limit"),
        (M, "552 Message size exceeds fixed maximum message size"),
        (R, "553 5.6.7 Non-ASCII addresses not permitted"),
        (R, "550 The server has no SMTPUTF8"),
        (M, "530 5.7.0 Authentication Required"),
        (M, "550 5.7.0 Denied"),
        (M, "550 5.7.0 Requested action not taken: too many emails per second"),
        (M, "554 Transaction failed"),
        (F, "554 Authentication required"),
        (R, "454 TLS not available due to temporary reason"),
        (R, "450 4.2.2 later"),
        (R, "451 4.1.8 later"),
        (R, "550 5.1.3 bad"),
        (R, "550 5.2.1 Sorry"),
        (R, "550 5.4.4 Sorry"),
        (R, "554 5.4.6 Sorry"),
        (R, "550 5.4.7 Sorry"),
        (R, "550 5.7.1 Sorry"),
        (R, "552 Sorry"),
        (R, "550 5.6.1 Sorry"),
        (F, "550 Header missing"),
        (R, "450 4.7.1 Sorry"),
        (R, "451 4.7.5 Sorry"),
        (R, "452 4.5.3 Recipients"),
        (M, "421 4.3.2 Sorry"),
        (R, "421 4.3.2 Sorry"),
        (R, "550 Denied"),
        (R, "500 Line"),
        (R, "550 5.1.7 Sorry"),
        (R, "550 5.4.5 Sorry"),
        (R, "550 mailbox unavailable"),
        (R, "451 4.3.1 insufficient disk"),
        (R, "550 Sender address rejected: nonsense"),
        (R, "554 5.2.3 Sorry"),
        (F, "550 5.1.1 Couldn't create the mailbox file: No such user"),
    ]
    met = {
        rule_for(to_reply(int(text[:3]), text[4:].encode()), phase).name
        for phase, text in [*[row[1:] for row in samples()], *extra]
    }
    assert {rule.name for rule in TABLE} - met == set()
