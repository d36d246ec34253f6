"""Reading a report ends, and never in an error, whatever its octets are."""

import random

from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.bounces.read import read_report
from tests.support.bounce_messages import auto_reply, complaint, dsn

SENDER = "b-abc@bounces.tocsin.test"
CORPUS = (dsn(SENDER), complaint(SENDER), auto_reply(SENDER))
LINES = sorted({line for report in CORPUS for line in report.split(b"\r\n")})
UNUSUAL_LINES = [
    b"Content-Type: message/delivery-status; charset=\xff\xfe", b"Content-Transfer-Encoding: base64", b"=?utf-8?q?",
    b"Content-Transfer-Encoding: x-uuencode", b"Status: =?x?b?", b"Content-Type: multipart/report; boundary=",
    b"Content-Type: message/feedback-report", b"Content-Type: text/rfc822-headers; charset*=x''%ff", b"\0",
    b"\xff" * 50,
    b"Content-Type: multipart/report; boundary*0=\"B/mx\"; boundary*1=x", b"To: " + b"<" * 500 + b"@" * 500,
]  # fmt: skip


@given(st.binary(max_size=2000))
def test_any_octets(raw: bytes) -> None:
    """Random octets are read without an error."""
    assert read_report(raw)


@given(
    st.lists(st.sampled_from(LINES + UNUSUAL_LINES), max_size=60), st.sampled_from([b"\r\n", b"\n", b"\r"])
)
def test_lines_of_reports_in_any_order(lines: list[bytes], end: bytes) -> None:
    """Lines of real reports in any order, with any line ends, are read without an error."""
    report = read_report(end.join(lines))

    assert len(report.senders) <= 10
    assert all(one.diagnostic.isprintable() for one in report.recipients if one.status)


@given(st.sampled_from(CORPUS), st.randoms(use_true_random=False))
def test_damaged_reports(report: bytes, dice: random.Random) -> None:
    """Reports with octets changed, cut out and doubled are read without an error."""
    raw = bytearray(report)
    for _ in range(dice.randrange(1, 12)):
        at = dice.randrange(len(raw))
        match dice.randrange(3):
            case 0:
                raw[at] = dice.randrange(256)
            case 1:
                del raw[at : at + dice.randrange(40)]
            case _:
                raw[at:at] = raw[at : at + dice.randrange(200)]
        if not raw:
            break
    read_report(bytes(raw))
