"""The reader of MIME: its structure and its limits."""

from base64 import encodebytes

import pytest

from service.pipeline.bounces.mime import LIMITS, Limits, Part, read_fields, read_message
from tests.support.expensive_messages import EXPENSIVE


def types(part: Part) -> list[object]:
    return [part.content_type, *map(types, part.parts)]


def test_parts_of_parts() -> None:
    """Multiparts, messages inside, a boundary that begins with another one, a preamble and an epilogue."""
    message = read_message(
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n"
        b"Content-Type: multipart/alternative; boundary=aa\r\n\r\n--aa\r\n\r\nplain\r\n--aa\r\n"
        b"Content-Type: text/html\r\n\r\nhtml\r\n--aa--\r\nepilogue\r\n--a\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninside\r\n--a--\r\nafter\r\n"
    )

    assert types(message) == [
        "multipart/mixed",
        ["multipart/alternative", ["text/plain"], ["text/html"]],
        ["message/rfc822", ["text/plain"]],
    ]
    assert message.body == b"preamble"
    assert [part.text() for part in message.parts[0].parts] == ["plain", "html"]
    inner = message.parts[1].parts[0]
    assert (inner.get("subject"), inner.text(), message.cut) == ("x", "inside", False)


def test_a_message_in_base64_is_read_too() -> None:
    """Its transfer encoding is removed first; so is that of a part inside it."""
    inner = b"Content-Transfer-Encoding: quoted-printable\n\n=41=\nB"
    message = read_message(
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + encodebytes(inner)
    )

    assert message.parts[0].text() == "AB"


def test_fields() -> None:
    """Folded ones are one, what is no field belongs to the one before; groups are separated by empty lines."""
    assert read_fields(b"A: 1\r\n 2\r\nB : 3\r\n\r\n\r\nbroken\r\nC: \xff\r\nlost\r\n") == [
        [("a", "1  2"), ("b", "3")],
        [("c", "ÿ lost")],
    ]


@pytest.mark.conformance("RFC 2231", "3 parameter continuations", "Parameters in pieces are joined.")
def test_parameters_in_pieces() -> None:
    """RFC 2231; a quoted one may hold anything."""
    message = read_message(
        b'Content-Type: multipart/report; boundary*0="B/"; boundary*1=x; report-type="a;b"\n\n'
    )

    assert message.parameters == {"boundary": "B/x", "report-type": "a;b"}


def test_charsets() -> None:
    """A name that is no charset of mail is not looked up: some codecs of Python take quadratic time."""
    for charset, octets, text in [
        ("iso-8859-1", b"\xe4", "ä"),
        ("utf-8", b"\xc3\xa4", "ä"),
        ("iso-2022-jp", b'\x1b$B$"\x1b(B', "あ"),
        ("unicode-1-1-utf-7", b"+AOQ-", "ä"),
        ("punycode", b"a-b", "a-b"),
        ("zip", b"\xe4", "ä"),
        ("us-ascii", b"\xff", "ÿ"),
    ]:
        assert (
            read_message(b"Content-Type: text/plain; charset=" + charset.encode() + b"\n\n" + octets).text()
            == text
        )


def test_the_limits() -> None:
    """Parts, depth, fields and octets; the message says that it was cut."""
    for kind in ("nested multiparts", "nested messages", "messages in a report", "base64 messages"):
        message = read_message(EXPENSIVE[kind](LIMITS.octets))
        parts = list(message.walk())
        assert len(parts) <= LIMITS.parts + 1
        assert max(len(part.fields) for part in parts) <= LIMITS.header_lines
    few = Limits(octets=1000, parts=3, depth=2, header_lines=5)
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 9
    assert len(read_message(raw, few).parts) == 2
    assert read_message(raw, few).cut
    assert not read_message(raw).cut
    assert read_message(b"x" * 1001, few).cut
    assert len(read_message(b"A: 1\n" * 9, few).fields) == 5
