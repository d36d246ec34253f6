"""Content on the wire: stuffed, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.smtp.content import dot_stuffed

pieces = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\x00", b"\xc3\xbc", b"..", b"x" * 30]), max_size=20
)


def received(wire: bytes) -> list[bytes]:
    """What a strict server makes of it, RFC 5321 section 4.5.2: lines, dots removed, up to the first dot alone."""
    lines: list[bytes] = []
    for line in (wire + b".\r\n").split(b"\r\n"):
        if line == b".":
            return lines
        lines.append(line.removeprefix(b"."))
    raise AssertionError("no end of data")


@given(pieces)
def test_it_arrives_as_it_was_or_not_at_all(parts: list[bytes]) -> None:
    """A server that follows the RFC reads back what was given, and nothing is left over."""
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
    """No CRLF at the end, a bare CR or LF anywhere, a NUL."""
    assert dot_stuffed(content) is None


def test_nothing_is_copied_without_need() -> None:
    """A mail without leading dots is the same object."""
    content = b"Subject: x\r\n\r\nA line. And another.\r\n" * 50
    assert dot_stuffed(content) is content
