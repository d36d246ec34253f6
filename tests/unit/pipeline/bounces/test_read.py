"""Reading of messages that come back."""

from base64 import encodebytes

import pytest

from service.pipeline.bounces.read import read_report
from service.pipeline.bounces.report import RecipientReport, Report, ReportKind
from tests.support.bounce_messages import (
    auto_reply,
    complaint,
    dsn,
    feedback,
    multipart,
    plain_bounce,
    report,
)

SENDER = f"b-{'a' * 61}@bounces.tocsin.test"
LOCAL = SENDER.partition("@")[0]
GROUP = (
    "Final-Recipient: rfc822; alice@example.com\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 Unknown"
)
WRAPPED = dsn(SENDER).decode().replace("\r\n", "\n")
TOKEN = f"{'0' * 24}.99999.overbid.{'1' * 24}.{'A' * 43}"

EXCHANGE = b"""From: postmaster@example.com
To: b-abc@bounces.tocsin.test
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="9B095B5ADSN=_01D9"

--9B095B5ADSN=_01D9
Content-Type: text/plain; charset=unicode-1-1-utf-7

Delivery has failed.

--9B095B5ADSN=_01D9
Content-Type: message/delivery-status

Reporting-MTA: dns;mail.example.com

Final-Recipient: RFC822;bob@example.com
Action: Failed (see text)
Diagnostic-Code: smtp;550 5.2.1 mailbox disabled
Remote-MTA: dns;mx

Final-Recipient: RFC822;alice@example.com
Action: delivered
Status: 2.0.0

--9B095B5ADSN=_01D9
Content-Type: text/rfc822-headers

Return-Path: <b-xyz@bounces.tocsin.test>
Subject: x

--9B095B5ADSN=_01D9--
"""


def only(read: Report) -> RecipientReport:
    assert read.kind is ReportKind.bounce
    (recipient,) = read.recipients
    return recipient


def letter(text: str, fields: str = "") -> bytes:
    return plain_bounce(SENDER, text, fields=fields, origin="a@b.test").replace(
        b"failure notice", b"A letter"
    )


def test_a_delivery_status_notification() -> None:
    """Status, action, address, the other server's text, and what may be our envelope sender."""
    read = read_report(dsn(SENDER))

    recipient = only(read)
    assert (recipient.action, recipient.status, recipient.addresses) == (
        "failed",
        "5.1.1",
        ("alice@example.com",),
    )
    assert recipient.diagnostic.startswith("550 5.1.1")
    assert (read.addressed, read.senders) == ((SENDER,), (LOCAL,))


@pytest.mark.conformance(
    "RFC 3464",
    "2.3 per-recipient fields",
    "Of several recipients the one that the message was sent to counts.",
)
def test_one_of_several_recipients() -> None:
    """The one that the message was sent to; else the worst. A status may be in the reply that the diagnostic quotes."""
    read = read_report(EXCHANGE)

    bob = read.recipient(lambda address: False)
    assert (bob.action, bob.status, bob.addresses) == ("failed", "5.2.1", ("bob@example.com",))
    assert read.recipient(lambda address: address.startswith("alice")).action == "delivered"


@pytest.mark.conformance(
    "RFC 3464",
    "2.1 delivery-status",
    "The fields are read in any transfer encoding, with or without an address type.",
)
@pytest.mark.conformance(
    "RFC 6533", "5 global-delivery-status", "message/global-delivery-status and utf-8 addresses are read."
)
@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (report(SENDER, GROUP, kind="message/global-delivery-status"), "alice@example.com"),  # RFC 6533
        (report(SENDER, GROUP.replace("rfc822; alice", "utf-8; \\x{E4}lice")), "älice@example.com"),
        (report(SENDER, GROUP.replace("rfc822; ", "")), "alice@example.com"),
        (report(SENDER, GROUP.replace("rfc822; alice@example.com", "<alice@example.com>")), "alice@example.com"),
        (
            report(
                SENDER,
                encodebytes(f"Reporting-MTA: dns; x\n\n{GROUP}\n".encode()).decode(),
                kind="message/delivery-status\nContent-Transfer-Encoding: base64",
            ).replace(b"Reporting-MTA: dns; mx.example.com\r\n\r\n", b""),
            "alice@example.com",
        ),
        (report(SENDER, GROUP.replace("alice@", "=61lice@"), kind="message/delivery-status\n"
         "Content-Transfer-Encoding: quoted-printable"), "alice@example.com"),
        # a gateway has put the report into another message, or lost the boundaries or the header
        (
            multipart("mixed", f"Content-Type: message/rfc822\n\n{WRAPPED}", sender=SENDER),
            "alice@example.com",
        ),
        (dsn(SENDER).replace(b"--B/mx.example.com", b""), "alice@example.com"),
        (dsn(SENDER).replace(b"MIME-Version: 1.0\r\nContent-Type: m", b"X-Removed: m"), "alice@example.com"),
        (dsn(SENDER).replace(b'boundary="B/mx.example.com"', b"boundary=other"), "alice@example.com"),
        (dsn(SENDER).replace(b"\r\n", b"\n"), "alice@example.com"),
        (dsn(SENDER).replace(b"\r\n", b"\r"), "alice@example.com"),
        (dsn(SENDER).replace(b"This is the mail", b"This is \xff\xfe" + b"x" * 5000), "alice@example.com"),
        (dsn(SENDER).replace(b"us-ascii", b"x-unknown-\xff"), "alice@example.com"),
    ],
)  # fmt: skip
def test_variants_of_the_status_part(raw: bytes, address: str) -> None:
    """Encodings, address types, wrappings and damages that servers and gateways make."""
    recipient = only(read_report(raw))

    assert (recipient.action, recipient.status) == ("failed", "5.1.1")
    assert address in recipient.addresses


@pytest.mark.conformance(
    "RFC 3463", "2 status code", "A status in words counts only behind a reply code of its class."
)
def test_a_number_with_dots_is_no_status() -> None:
    """Only the Status field, or what follows a reply code of the same class, is one."""
    group = GROUP.replace("Status: 5.1.1\n", "").replace(
        "550 5.1.1 Unknown", "550 host 74.125.24.27 not welcome, v5.1.1"
    )

    assert only(read_report(report(SENDER, group))).status == ""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "Hi. This is the qmail-send program at mx.example.com.\nI'm afraid I wasn't able to deliver your message "
            "to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
            "<alice@example.com>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
            "--- Below this line is a copy of the message.\n\nReturn-Path: <x>\n\nThe mailbox is full.",
            "alice@example.com",
        ),
        (
            "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
            "delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  alice@example.com\n"
            "    no mailbox here\n\n------ This is a copy of the message, including all the headers. ------\n\nfull",
            "",
        ),
    ],
)  # fmt: skip
def test_known_plain_formats(text: str, address: str) -> None:
    """They have the words of the other server; the copy of our own message is left out."""
    read = read_report(plain_bounce(SENDER, text))
    (recipient,) = read.recipients

    assert address in ("", *recipient.addresses)
    assert "mailbox here" in recipient.diagnostic
    assert "full" not in recipient.diagnostic


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Delivery to the following recipients failed.\n\n  alice@example.com", "failed"),
        ("Delivery failed 20 attempts: alice@example.com", "failed"),
        ("undeliverable to alice@example.com", "failed"),
        ("------ Failed Recipients ------\n\n<alice@example.com>: not taken", "failed"),
        ("Did not reach the following recipient: alice@example.com", "failed"),
        ("The following recipients did not receive this message:\n\n<alice@example.com>", "failed"),
        ("Votre message n'a pas pu être délivré à\nalice@example.com", "failed"),
        ("<alice@example.com>:\n邮件无法发送到您指定的地址中。", "failed"),
        ("Your message to alice@example.com has been delayed. We will keep trying.", "delayed"),
        ("It could not be delivered to alice@example.com yet; we will continue to try.", ""),
        ("Unable to deliver to alice@example.com for 4 hours. We will keep trying.", ""),
        ("The mailbox of alice@example.com: see below.", ""),
    ],
)
def test_words_say_whether_it_is_final(text: str, action: str) -> None:
    """A bounce that says so and names an address is a report on it (ADR 20); one that says both is undecided."""
    read = read_report(plain_bounce(SENDER, text))
    (recipient,) = read.recipients

    assert (recipient.action, read.kind is ReportKind.bounce) == (action, action == "failed")
    assert recipient.addresses == (("alice@example.com",) if action == "failed" else ())


def test_addresses_in_a_notification_of_a_program_are_no_bounce() -> None:
    """Amazon's JSON about a message that was delivered."""
    document = b'{"notificationType":"Delivery","mail":{"destination":["alice@example.com"]}}'
    raw = b"From: no-reply@sns.example.com\r\nSubject: Notification\r\n\r\n" + document

    assert read_report(raw) == Report(ReportKind.words, text=read_report(raw).text)


def test_a_report_without_a_status_part() -> None:
    """Its words are left to judge; and so are those beside a status part that reports on no recipient."""
    o365 = multipart(
        "report; report-type=delivery-status",
        "Content-Type: text/html\n\n<html><title>x</title><p>550 5.1.10&nbsp;NotFound<br>by <b>alice</b></html>",
        sender=SENDER,
    )
    incomplete = report(SENDER, "X-Comment: none", text="550 5.1.10 RecipientNotFound")

    for raw in (o365, incomplete):
        read = read_report(raw)
        assert read.kind is ReportKind.words
        assert "5.1.10" in read.recipients[0].diagnostic
        assert "<" not in read.recipients[0].diagnostic


@pytest.mark.parametrize("reply", ["'550 5.1.10 RecipientNotFound; not found'", "no mailbox here (#5.1.1)"])
def test_a_reply_behind_pages_of_text(reply: str) -> None:
    """Keep the other server's reply, however much a gateway writes for humans before it."""
    pages = "Your message is important to us. Please read the following carefully. " * 80

    (recipient,) = read_report(plain_bounce(SENDER, f"\n<alice@example.com>: {pages}\n{reply}\n")).recipients
    assert reply in recipient.diagnostic
    assert len(recipient.diagnostic) <= 2000


def test_a_notice_of_a_delay_in_words() -> None:
    """Nothing is decided yet; a server that has given up says so."""
    delayed = "A message that you sent has not yet been delivered. No action is required on your part. Quota exceeded."
    final = "It has not been delivered yet, and will not be retried: giving up. Quota exceeded."

    assert read_report(plain_bounce(SENDER, delayed)).recipients[0].action == "delayed"
    assert read_report(plain_bounce(SENDER, final)).recipients[0].action == ""


def test_a_complaint() -> None:
    """Read its type, the complaining address, and the sender of the message."""
    read = read_report(complaint(SENDER))

    assert (read.kind, read.detail, read.addresses) == (ReportKind.complaint, "abuse", ("alice@example.com",))
    assert LOCAL in read.senders


@pytest.mark.conformance(
    "RFC 5965", "7.3 feedback types", "auth-failure, not-spam and other are no complaint."
)
@pytest.mark.parametrize("kind", ["auth-failure", "not-spam", "other", "dmarc"])
def test_other_feedback_is_no_complaint(kind: str) -> None:
    """RFC 6591, RFC 7489, and the report that a message is no spam."""
    read = read_report(feedback(f"Feedback-Type: {kind}\nVersion: 1", f"Return-Path: <{SENDER}>"))

    assert (read.kind, read.detail) == (ReportKind.automatic, "no_complaint")


@pytest.mark.conformance(
    "RFC 5965", "3.2 optional fields", "None is needed: the quoted message proves a complaint."
)
def test_a_complaint_with_few_fields() -> None:
    """The quoted message proves it: by the envelope sender or by the unsubscribe link, folded or encoded."""
    link = f"List-Unsubscribe: <https://shop.test/unsubscribe/{TOKEN}>"
    encoded = encodebytes(f"Feedback-Type: abuse\nOriginal-Mail-From: <{SENDER}>\n".encode()).decode()
    body = encodebytes(f"Stop: https://shop.test/unsubscribe/{TOKEN} \n".encode()).decode()

    assert read_report(feedback("Version: 1", link)).tokens == (TOKEN,)
    assert read_report(feedback(encoded, "From: x@y.test", encoding="base64")).senders == (LOCAL,)
    quoted = f"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{body}"
    assert read_report(feedback("Feedback-Type: abuse", quoted)).tokens == (TOKEN,)


def test_complaints_without_a_feedback_part() -> None:
    """Microsoft's name the recipient in the quoted header; others only quote the message."""
    quoted = f"Return-Path: <{SENDER}>\nTo: <alice@example.com>\n\nhi"
    quote = multipart(
        "mixed", f"Content-Type: message/rfc822\n\n{quoted}", sender="complaints@b.test", subject="FW: x"
    )
    quote = quote.replace(b"MAILER-DAEMON", b"staff").replace(b"Mail Delivery", b"Abuse")
    jmrp = quote.replace(
        b"Return-Path: <b-", b"X-HmXmrOriginalRecipient: alice@example.com\r\nReturn-Path: <b-"
    )

    assert read_report(jmrp).kind is ReportKind.complaint
    assert read_report(jmrp).addresses == ("alice@example.com",)
    assert read_report(quote.replace(b"Auto-Submitted: auto-replied\r\n", b"")).kind is ReportKind.quote


@pytest.mark.conformance(
    "RFC 3834", "2 automatic responses", "An absence note has no effect, whatever its words."
)
@pytest.mark.conformance("RFC 8098", "3 disposition notifications", "A receipt has no effect.")
@pytest.mark.parametrize(
    "raw",
    [
        auto_reply(SENDER),
        plain_bounce(SENDER, "I am away.", fields="Auto-Submitted: auto-replied (vacation)\n"),
        plain_bounce(SENDER, "I am away.", fields="X-Autoreply: yes\n", origin="alice@example.com"),
        plain_bounce(SENDER, "Danke.", fields="Precedence: auto_reply\n", origin="alice@example.com"),
        plain_bounce(SENDER, "5.1.1", origin="alice@example.com").replace(b"failure notice", b"Abwesenheitsnotiz"),
        plain_bounce(SENDER, "x", origin="a@b.test").replace(b"failure notice", b"=?utf-8?B?6Ieq5YuV6L+U5L+h?="),
        letter("Thanks.", "Auto-Submitted: auto-generated\n"),
        letter("Alice's mailbox does not exist any more.", "Auto-Submitted: auto-replied\n"),
        letter("I am not here.", "Auto-Submitted: auto-replied\n").replace(b"A letter", b"Re: Payment failed notice"),
        letter("I am out of the office until Monday."),
        letter("Bis Montag.").replace(b"A letter", b"AUTO: Alice ist nicht da"),
        letter("Please reply to confirm that you are no robot."),
        multipart(
            "report; report-type=disposition-notification", "Content-Type: text/plain\n\nread",
            "Content-Type: message/disposition-notification\n\nDisposition: manual-action; displayed", sender=SENDER,
        ),
        multipart("report; report-type=tlsrpt", "Content-Type: application/tlsrpt+gzip\n\nx", sender=SENDER),
        multipart("mixed", "Content-Type: application/zip\n\nx", sender=SENDER, subject="Report Domain: x"),
    ],
)  # fmt: skip
def test_automatic_messages_are_no_bounce(raw: bytes) -> None:
    """Absence notes, receipts, challenges, reports on TLS and DMARC, whatever their words are."""
    assert read_report(raw).kind is ReportKind.automatic


def test_a_refusal_in_the_form_of_a_receipt() -> None:
    """Dovecot and Sieve refuse a message after delivery so (RFC 5429 section 2.2)."""
    raw = multipart(
        "report; report-type=disposition-notification", "Content-Type: text/plain\n\nRejected: Quota exceeded",
        "Content-Type: message/disposition-notification\n\nDisposition: automatic-action; deleted", sender=SENDER,
        subject="Automatically rejected mail",
    )  # fmt: skip

    assert read_report(raw).kind is ReportKind.words


def test_other_messages_have_only_words() -> None:
    """An empty message, noise, a human's letter."""
    for raw in (b"", b"\r\n", b"\0" * 100, b"From: a@b.test\r\nSubject: hi\r\n\r\nwho are you?\r\n"):
        assert read_report(raw).kind is ReportKind.words
