"""Bounces and complaints as servers write them; `sender` is the envelope sender of the message they report."""

from email.message import Message


def dsn(
    sender: str,
    *,
    status: str = "5.1.1",
    action: str = "failed",
    recipient: str = "alice@example.com",
    diagnostic: str = "smtp; 550 5.1.1 <alice@example.com>: Recipient address rejected",
) -> bytes:
    """Return a delivery status notification (RFC 3464) as Postfix writes it."""
    return f"""Return-Path: <>
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: {sender}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B/mx.example.com"

This is a MIME-encapsulated message.

--B/mx.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.

--B/mx.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
X-Postfix-Queue-ID: 4Sx1
Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: {diagnostic}

--B/mx.example.com
Content-Description: Undelivered Message
Content-Type: message/rfc822

Return-Path: <{sender}>
From: Tocsin <notifications@tocsin.test>
To: Alice <{recipient}>
Subject: You were overbid
Message-ID: <1@tocsin.test>

Text.

--B/mx.example.com--
""".replace("\n", "\r\n").encode()


def complaint(sender: str, *, kind: str = "abuse", recipient: str = "alice@example.com") -> bytes:
    """Return a complaint (RFC 5965) as mailbox providers send it: to our postmaster, not to the message's sender."""
    return f"""From: <abusedesk@example.com>
To: <complaints@bounces.tocsin.test>
Subject: FW: You were overbid
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part1"

--part1
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--part1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{sender}>
Original-Rcpt-To: <{recipient}>
Received-Date: Thu, 8 Mar 2005 14:00:00 EDT
Reported-Domain: tocsin.test

--part1
Content-Type: message/rfc822

From: <notifications@tocsin.test>
To: <{recipient}>
Subject: You were overbid
Return-Path: <{sender}>

Text.
--part1--
""".replace("\n", "\r\n").encode()


def auto_reply(sender: str) -> bytes:
    """Return an absence note, which is no report."""
    note = Message()
    note["To"], note["Subject"], note["Auto-Submitted"] = sender, "Out of office", "auto-replied"
    note.set_payload("I am on holiday. 5.1.1 Status: 5.1.1 Action: failed")
    return note.as_bytes()


def multipart(
    kind: str, *parts: str, sender: str, subject: str = "Undelivered Mail", fields: str = ""
) -> bytes:
    """Return a message of a multipart type to `sender`; each part is its header, a blank line, and its body."""
    body = "".join(f"\n--M\n{part}\n" for part in parts)
    return f"""Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
To: <{sender}>
Subject: {subject}
Auto-Submitted: auto-replied
{fields}MIME-Version: 1.0
Content-Type: multipart/{kind}; boundary=M

A message in parts.
{body}
--M--
""".replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def report(
    sender: str, fields: str, *, text: str = "It was not delivered.", kind: str = "message/delivery-status"
) -> bytes:
    """Return a delivery status notification whose recipient groups are `fields`."""
    return multipart(
        "report; report-type=delivery-status",
        f"Content-Type: text/plain\n\n{text}",
        f"Content-Type: {kind}\n\nReporting-MTA: dns; mx.example.com\n\n{fields}",
        f"Content-Type: message/rfc822\n\nReturn-Path: <{sender}>\nSubject: x\n\nhi",
        sender=sender,
    )


def plain_bounce(
    sender: str, text: str, *, fields: str = "", origin: str = "MAILER-DAEMON@mx.example.com"
) -> bytes:
    """Return a bounce that is only a text."""
    return f"""Return-Path: <>
From: {origin}
To: <{sender}>
Subject: failure notice
{fields}
{text}
""".replace("\n", "\r\n").encode()


def feedback(
    fields: str, quoted: str, *, recipient: str = "complaints@bounces.tocsin.test", encoding: str = "7bit"
) -> bytes:
    """Return a complaint with these fields about a message with this header."""
    return multipart(
        "report; report-type=feedback-report",
        "Content-Type: text/plain\n\nA complaint.",
        f"Content-Type: message/feedback-report\nContent-Transfer-Encoding: {encoding}\n\n{fields}",
        f"Content-Type: message/rfc822\n\n{quoted}\nSubject: x\n\nhi",
        sender=recipient,
    )
