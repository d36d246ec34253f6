"""Content on the wire: dot-stuffed, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.smtp.content import dot_stuffed

pieces = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\x00", b"\xc3\xbc", b"..", b"x" * 30]), max_size=20
)


def received(wire: bytes) -> list[bytes]:
    """Decode as a strict server does (RFC 5321 section 4.5.2): remove stuffed dots, stop at the first end of data."""
    lines: list[bytes] = []
    for line in (wire + b".\r\n").split(b"\r\n"):
        if line == b".":
            return lines
        lines.append(line.removeprefix(b"."))
    raise AssertionError("no end of data")


@given(pieces)
def test_content_arrives_unchanged_or_is_refused(parts: list[bytes]) -> None:
    """Send content that a server which follows the RFC decodes unchanged, with nothing left over."""
    content = b"".join(parts) + b"\r\n"
    wire = dot_stuffed(content)
    bare = content.replace(b"\r\n", b"")
    if b"\r" in bare or b"\n" in bare or b"\0" in bare:
        assert wire is None
    else:
        assert wire is not None
        assert b"\r\n".join([*received(wire), b""]) == content
        assert (b"\r\n" + wire + b".\r\n").count(b"\r\n.\r\n") == 1


@pytest.mark.parametrize(
    "content", [b"", b"x", b"x\n", b"x\r", b"a\nb\r\n", b"a\rb\r\n", b"\n\r\n", b"\r\r\n", b"a\0\r\n"]
)
def test_refused(content: bytes) -> None:
    """Refuse content with no CRLF at the end, a bare CR or LF anywhere, or a NUL."""
    assert dot_stuffed(content) is None


def test_content_without_leading_dots_is_not_copied() -> None:
    """Return the same object for content without leading dots."""
    content = b"Subject: x\r\n\r\nA line. And another.\r\n" * 50
    assert dot_stuffed(content) is content
