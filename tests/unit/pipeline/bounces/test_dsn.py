"""Reading of bounces and complaints."""

import pytest

from service.pipeline.bounces.dsn import ReportKind, read_report
from tests.support.bounce_messages import auto_reply, complaint, dsn

SENDER = "b-abc@bounces.tocsin.test"

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


def test_a_delivery_status_notification() -> None:
    """Status, action, addresses, the other server's text, and possible envelope senders."""
    report = read_report(dsn(SENDER))

    assert report
    assert (report.kind, report.action, report.status) == (ReportKind.bounce, "failed", "5.1.1")
    assert set(report.addresses) == {"alice@example.com"}
    assert report.detail.startswith("550 5.1.1")
    assert report.senders == (SENDER,)


def test_the_worst_of_several_recipients_and_a_status_in_words() -> None:
    """A group without a Status has it in its diagnostic; headers alone are enough to know the sender."""
    report = read_report(EXCHANGE)

    assert report
    assert (report.action, report.status, report.addresses) == ("failed", "5.2.1", ("bob@example.com",))
    assert report.senders == (SENDER, "b-xyz@bounces.tocsin.test")


def test_a_complaint() -> None:
    """Read its type, the complaining address, and the sender of the message."""
    report = read_report(complaint(SENDER))

    assert report
    assert (report.kind, report.action, report.addresses) == (
        ReportKind.complaint,
        "abuse",
        ("alice@example.com",),
    )
    assert SENDER in report.senders


def test_other_messages_are_no_report() -> None:
    """An absence note, an empty message, noise; also a message whose text looks like a report."""
    for raw in (
        auto_reply(SENDER),
        b"",
        b"\r\n",
        b"\0" * 100,
        dsn(SENDER).replace(b"message/delivery-status", b"text/plain"),
    ):
        assert read_report(raw) is None


@pytest.mark.exhaustive
def test_a_message_made_to_be_expensive_is_read_quickly() -> None:
    """Nested, endless or doubled structures end in None or in a report, soon."""
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000)
    )
    many = (
        b"Content-Type: multipart/report; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" * 20_000
    )
    groups = dsn(SENDER).replace(b"Action: failed", b"Action: failed\r\n\r\nAction: failed" * 1)
    long_header = b"To: " + b"a@b.c, " * 200_000 + b"\r\n" + dsn(SENDER)

    assert read_report(nested) is None
    assert read_report(many) is None
    assert read_report(groups)
    read_report(long_header)
    messages = b"Content-Type: message/rfc822\r\n\r\n" * 5000
    assert read_report(messages) is None
