"""Header values: readable where they can be, encoded where they must be, one header each."""

import quopri
import re
from base64 import b64decode
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.adapters.templates.headers import (
    _CONTROLS_OR_SPACES,
    date_header,
    extra_header,
    mailbox_header,
    one_line,
    unstructured_header,
)
from service.ports import RenderFailed

NASTY = [
    "=?utf-8?q?a=0ABcc=3A_v=40x?=",
    "=?utf-8?b?QmNjOiB2QHgK?= tail",
    "a\r\nBcc: v@x",
    "a\nBcc: v@x",
    "a\rBcc: v@x",
    "a\r\n Bcc: v@x",
    "a\u2028Bcc: v@x",
    "a\u2029b",
    "a\x85b",
    "a\x00b",
    "a\x0b\x0c\x1c\x1d\x1eb",
    " leading and trailing ",
    "=?",
    "?=",
    "x" * 500,
    "ü" * 500,
    "日本語" * 60,
    "\ud800",
]


def parse(header: bytes) -> Any:
    """Return the value of the only header, as parsed by the standard library."""
    message = message_from_bytes(header + b"\r\n", policy=policy.default)
    assert len(message.keys()) == 1
    assert not message.get_payload()
    (value,) = message.values()
    assert not value.defects
    return value


def phrase(header: bytes) -> str:
    """Return the display name by RFC 2047 section 6.2; CPython 3.11's parser puts spaces between encoded-words."""
    text = header.decode("ascii").replace("\r\n", "")
    return str(make_header(decode_header(text[4 : text.rindex("<")].strip())))


WORD = re.compile(r"=\?utf-8\?([qb])\?([^?]*)\?=")


def words(header: bytes) -> list[str]:
    """Return each encoded-word, decoded alone; fail for one that divides a character (RFC 2047 section 5)."""
    decoded = []
    for encoding, payload in WORD.findall(header.decode("ascii")):
        octets = b64decode(payload) if encoding == "b" else quopri.decodestring(payload.replace("_", " "))
        decoded.append(octets.decode("utf-8"))
    return decoded


def lines(header: bytes) -> list[bytes]:
    assert header.endswith(b"\r\n")
    return header[:-2].split(b"\r\n")


@given(st.one_of(st.sampled_from(NASTY), st.text(), st.text(st.characters(max_codepoint=127))))
@example("a  b")
@example("word " * 40)
@example("Aufträge: ein größerer Überblick über Gebote, Käufe und Zuschläge in Österreich")
@example("Grüße € " * 12)
def test_free_text(text: str) -> None:
    """Any text becomes one header of short ASCII lines, and decodes to the text with its controls as spaces."""
    header = unstructured_header("Subject", text)

    assert header.isascii()
    assert one_line(text) == _CONTROLS_OR_SPACES.sub(" ", text).strip(" ") == str(parse(header))
    assert "".join(words(header)) in ("", one_line(text))
    for line in lines(header):
        assert len(line) <= 78
        assert line.strip()
        assert b"=?" not in line or len(line) <= 76


@pytest.mark.parametrize("before", range(30, 50))
def test_characters_are_not_divided(before: int) -> None:
    """An encoded-word always ends between two characters."""
    text = "a" * before + "ü€𝄞" * 3 + "b" * 90

    assert "".join(words(unstructured_header("Subject", text))) == text


@pytest.mark.parametrize("text", ["New high bidder on lot 7", "100% = all?", "A: b; c, d (e)"])
def test_ascii_stays_readable(text: str) -> None:
    """Plain ASCII is not encoded."""
    assert f"Subject: {text}\r\n".encode() == unstructured_header("Subject", text)


@pytest.mark.parametrize("text", NASTY[:2])
def test_encoded_words_in_data_are_text(text: str) -> None:
    """Text that looks like an encoded-word is itself encoded, and decodes to the same text."""
    header = unstructured_header("Subject", text)

    assert b"=0ABcc" not in header
    assert text == str(parse(header))


@given(st.one_of(st.sampled_from(NASTY), st.text(max_size=80), st.text(st.characters(max_codepoint=127))))
@example('Doe, "Jane" \\ <x@y>')
@example("a@b.example")
def test_display_names(name: str) -> None:
    """Any name gives exactly one mailbox, with that name and the delivery's address."""
    header = mailbox_header("To", name, "alice@example.com")
    (address,) = parse(header).addresses

    assert address.addr_spec == "alice@example.com"
    shown = address.display_name if header.count(b"=?utf-8?") < 2 else phrase(header)
    assert one_line(name).split() == shown.split()
    for line in lines(header):
        assert len(line) <= 78


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "alice@",
        "<evil@y.com>victim@x.com",
        '"victim@x.com" <evil@y.com>',
        "victim@x.com,<evil@y.com>",
        "a@x.com, b@y.com",
        "a@x.com b@y.com",
        "a@x.com\r\nBcc: b@y.com",
        "a@x.com\n",
        '"a\r\nDATA"@x.com',
        "a\x00@x.com",
        "a\u2028@x.com",
        "=?utf-8?q?a=0ABcc=3A_v=40x?=@x.com>",
        "=?utf-8?q?a=0ABcc=3A_v=40x?=@x.com",
        "a@x.com (comment)",
        "a" * 65 + "@x.com",
    ],
)
def test_addresses_are_refused_not_repaired(address: str) -> None:
    """Anything but exactly one addr-spec is refused."""
    with pytest.raises(RenderFailed):
        mailbox_header("To", "", address)


def test_international_addresses() -> None:
    """A domain goes as A-labels, so only a local part beyond ASCII needs SMTPUTF8 (RFC 6531)."""
    assert mailbox_header("To", "", "jo@bücher.example") == b"To: <jo@xn--bcher-kva.example>\r\n"
    assert "To: <jürgen@example.com>\r\n".encode() == mailbox_header("To", "", "jürgen@example.com")


@pytest.mark.parametrize(
    "name", ["Subject", "to", "X Y", "", "X:", "X\r\nBcc", "Bcc", "Content-Type", "DKIM-Signature"]
)
def test_names_of_extra_headers(name: str) -> None:
    """An added header has a valid name, none of those that the message has already."""
    with pytest.raises(RenderFailed):
        extra_header(name, "x")


@pytest.mark.parametrize(
    "value", ["", "a\r\nBcc: v@x", "a\x00", "=?utf-8?q?a=0ABcc?=", "ü", " a", "a  b", "x" * 1000]
)
def test_values_of_extra_headers(value: str) -> None:
    """An added header is one line of printable ASCII, without encoded-words."""
    with pytest.raises(RenderFailed):
        extra_header("List-Help", value)


def test_a_long_extra_header_is_folded_at_spaces_only() -> None:
    """A long URL stays whole."""
    url = "<https://example.com/" + "x" * 100 + ">"

    assert f"List-Unsubscribe: {url}\r\n <mailto:a@b.example>\r\n".encode() == extra_header(
        "List-Unsubscribe", f"{url} <mailto:a@b.example>"
    )


def test_date() -> None:
    """The Date header is the delivery's own time, in UTC."""
    assert date_header(1_790_000_000_999) == b"Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
