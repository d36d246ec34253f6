"""Messages that are made to be expensive to read, of any size, beside an ordinary one. Each is cut at its size."""

from base64 import encodebytes
from collections.abc import Callable

from tests.support.bounce_messages import dsn

_SENDER = f"b-{'a' * 61}@bounces.tocsin.test"
_REPORT = b"From: MAILER-DAEMON\nTo: x@y.test\nContent-Type: multipart/report; boundary=b\n\n"
_STATUS = _REPORT + b"--b\nContent-Type: message/delivery-status\n\n"


def ordinary(size: int) -> bytes:
    """Return a report whose original message fills the size with lines of text."""
    report = dsn(_SENDER).replace(b"\r\n", b"\n")
    head, mark, tail = report.rpartition(b"\nText.\n")
    line = b"A line of an ordinary message, of usual length.\n"
    return head + b"\n" + line * ((size - len(report)) // len(line)) + mark + tail


def _repeated(head: bytes, unit: bytes) -> Callable[[int], bytes]:
    return lambda size: (head + unit * (size // len(unit) + 1))[:size]


def _nested_multiparts(size: int) -> bytes:
    levels = (
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(size // 48 + 1)
    )
    return b"".join(levels)[:size]


def _nested_base64(size: int) -> bytes:
    message = b"x" * (size // 8)
    head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
    while len(message) * 4 // 3 + 200 < size:
        message = head + encodebytes(message)
    return message


EXPENSIVE: dict[str, Callable[[int], bytes]] = {
    "nested multiparts": _nested_multiparts,
    "nested messages": _repeated(b"", b"Content-Type: message/rfc822\n\n"),
    "messages in a report": _repeated(_REPORT, b"--b\nContent-Type: message/rfc822\n\n"),
    "base64 messages": _nested_base64,
    "boundaries": _repeated(_REPORT, b"--b\n"),
    "lines like boundaries": _repeated(_REPORT, b"--\n"),
    "lines like parts": _repeated(b"\n", b"--x\nContent-Type: text/plain\n\n"),
    "empty lines": _repeated(_REPORT, b"\n"),
    "fields": _repeated(b"", b"a:\n"),
    "folded lines": _repeated(b"Content-Type: ", b" x;\n"),
    "fields of one name": _repeated(b"", b"To: a@b.test\n"),
    "addresses": _repeated(b"To: ", b"a@b.test, "),
    "at signs": _repeated(b"To: ", b"@"),
    "one address": _repeated(b"To: ", b"a"),
    "parameters": _repeated(b'Content-Type: multipart/mixed; boundary="', b';a*0="'),
    "encoded words": _repeated(b"Subject: ", b"=?utf-8?q?=41?= "),
    "encoded words without end": _repeated(b"Subject: ", b"=?utf-8?q?"),
    "groups": _repeated(_STATUS, b"Action: failed\nStatus: 5.1.1\n\n"),
    "groups with addresses": _repeated(_STATUS, b"Final-Recipient: rfc822; a@b.test\nAction: failed\n\n"),
    "xtext": _repeated(_STATUS + b"Action: failed\nFinal-Recipient: rfc822; a", b"+41"),
    "diagnostic": _repeated(_STATUS + b"Action: failed\nDiagnostic-Code: smtp; ", b"550 5.1.1 "),
    "tags": _repeated(b"From: postmaster\nContent-Type: text/html\n\n", b"<"),
    "styles": _repeated(b"From: postmaster\nContent-Type: text/html\n\n", b"<style>"),
    "entities": _repeated(b"From: postmaster\nContent-Type: text/html\n\n", b"&amp"),
    "spaces": _repeated(b"From: postmaster\n\n", b" "),
    "dashes": _repeated(b"From: postmaster\n\n", b"-"),
    "quotes": _repeated(b"From: postmaster\n\n", b"> > > \n"),
    "text without line ends": _repeated(b"From: postmaster\n\n", b"a@b "),
    "words of bounces": _repeated(b"From: postmaster\n\n", b"user unknown delivery failed to "),
    "digits": _repeated(b"From: postmaster\n\n", b"550 5.1.1 "),
    "start of a pattern": _repeated(
        b"From: postmaster\n\n", b"A message that you sent could not be delivered\n<"
    ),
    "quoted-printable": _repeated(
        b"From: postmaster\nContent-Transfer-Encoding: quoted-printable\n\n", b"=\n"
    ),
    "utf-7": _repeated(b"From: postmaster\nContent-Type: text/plain; charset=utf-7\n\n", b"+AAA"),
    "tokens": _repeated(b"From: postmaster\n\n", b"0" * 24 + b".1.a." + b"1" * 24 + b"."),
    "local parts": _repeated(b"From: postmaster\n\n", b"b-" + b"a" * 60),
    "signed local parts": _repeated(b"From: postmaster\n\n", b"b-" + b"a" * 61 + b" "),
    "zeros": _repeated(b"", b"\0"),
    "octets above 127": _repeated(b"From: postmaster\n\n", b"\xff\xfe"),
}
