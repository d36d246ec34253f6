"""Messages that came back: what their action, status and words say about the delivery and the mailbox."""

import pytest

from service.model.classifier import Fault, RelayEffect, classify_report
from service.model.mail import SendStatus
from service.model.reasons import Reason

BOUNCED, DEFERRED, ACCEPTED = SendStatus.bounced, SendStatus.deferred, SendStatus.accepted


@pytest.mark.parametrize(
    ("action", "status", "text", "expected", "reason", "suppress"),
    [
        # the action outranks the class of the status
        ("failed", "4.4.7", "delivery time expired", BOUNCED, Reason.expired_in_transit, False),
        ("failed", "4.4.1", "connect to mx.shop.test: Connection timed out", BOUNCED, Reason.expired_in_transit, False),
        ("failed", "4.0.0", "", BOUNCED, Reason.expired_in_transit, False),
        ("failed", "4.2.2", "452 4.2.2 mailbox full", BOUNCED, Reason.mailbox_full, False),
        ("delayed", "5.1.1", "550 5.1.1 User unknown", DEFERRED, Reason.mailbox_unknown, False),
        ("delayed", "4.4.1", "will be retried", DEFERRED, Reason.destination_unreachable, False),
        ("relayed", "5.1.1", "", ACCEPTED, Reason.none, False),
        ("delivered", "", "", ACCEPTED, Reason.none, False),
        ("expanded", "2.0.0", "", ACCEPTED, Reason.none, False),
        ("failed", "", "", BOUNCED, Reason.permanent, False),
        # the words outrank the status
        ("failed", "5.0.0", "smtp; 550 User unknown", BOUNCED, Reason.mailbox_unknown, True),
        ("failed", "5.5.0", "550 mailbox unavailable", BOUNCED, Reason.mailbox_unknown, True),
        ("failed", "5.7.1", "550 5.7.1 No such user!", BOUNCED, Reason.mailbox_unknown, True),
        ("failed", "5.1.1", "550 5.1.1 IP 192.0.2.1 is blacklisted", BOUNCED, Reason.host_refused, False),
        ("failed", "5.1.1", "550 5.1.1 too many recipients this hour", BOUNCED, Reason.rate_limited, False),
        ("failed", "5.2.1", "550 5.2.1 receiving mail at a rate", BOUNCED, Reason.rate_limited, False),
        ("failed", "5.1.0", "550 5.1.0 Sender rejected", BOUNCED, Reason.sender_refused, False),
        ("failed", "5.4.4", "Host or domain name not found", BOUNCED, Reason.domain_unknown, True),
        ("failed", "5.4.1", "550 5.4.1 No answer from host", BOUNCED, Reason.destination_unreachable, False),
        ("failed", "5.4.6", "loop", BOUNCED, Reason.mail_loop, False),
        ("failed", "5.1.1", "", BOUNCED, Reason.mailbox_unknown, True),
        ("failed", "5.0.0", "lost contact with 192.4.125.24 at last", BOUNCED, Reason.permanent, False),
        # without an action
        ("", "", "Sorry, no mailbox here by that name. (#5.1.1)", BOUNCED, Reason.mailbox_unknown, True),
        ("", "", "host mx said: 550 5.2.2 over quota (in reply to RCPT)", BOUNCED, Reason.mailbox_full, False),
        ("", "5.1.1", "", BOUNCED, Reason.mailbox_unknown, True),
        ("", "4.4.1", "", DEFERRED, Reason.destination_unreachable, False),
        ("", "", "has been in the queue too long. (#4.4.1)", BOUNCED, Reason.expired_in_transit, False),
        ("", "", "Your message has not yet been delivered: 450 4.2.0 later", DEFERRED, Reason.temporary, False),
    ],
)  # fmt: skip
def test_reports(
    action: str, status: str, text: str, expected: SendStatus, reason: Reason, suppress: bool
) -> None:
    """Close what has been given up, for its own reason; suppress by evidence about the mailbox or its domain only."""
    diagnosis = classify_report(action, status, text)

    assert (diagnosis.status, diagnosis.reason, diagnosis.suppress) == (expected, reason, suppress), diagnosis
    assert diagnosis.effect is RelayEffect.none


@pytest.mark.parametrize(
    "text", ["", "Hello, here is your report.", "Thank you for your message", "192.0.2.1 5.1.1.2"]
)
def test_a_text_that_says_nothing_is_not_judged(text: str) -> None:
    """Judge nothing where no action, no code and no known word is."""
    diagnosis = classify_report("", "", text)

    assert not diagnosis.judged
    assert (diagnosis.fault, diagnosis.suppress, diagnosis.scores) == (Fault.unclear, False, False)


@pytest.mark.parametrize(
    "status", ["5.0.0", "5.1.0", "5.2.0", "5.4.0", "5.5.0", "5.7.0", "5.7.1", "4.1.1", "5"]
)
def test_a_class_suppresses_nothing(status: str) -> None:
    """A status that names no mailbox is no evidence about one, nor is one of a temporary class."""
    assert not classify_report("failed", status, "Delivery failed").suppress


def test_the_words_around_a_quoted_reply_do_not_count() -> None:
    """Judge by the reply that a program quotes, not by its own words about accounts, attachments and policies."""
    text = (
        "We could not deliver your message. The attachment has its headers. Your account is in order. "
        "Our spam policy is at https://help.test. The server responded: [550 5.1.1 User unknown] Please call us."
    )
    assert classify_report("", "", text).reason is Reason.mailbox_unknown


def test_a_delay_does_not_score() -> None:
    """Count a full mailbox once it is final, not in a notice of delay."""
    assert classify_report("failed", "5.2.2", "mailbox full").scores
    assert not classify_report("delayed", "4.2.2", "mailbox full").scores
