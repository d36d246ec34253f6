"""The octets after DATA, in whatever pieces they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.bounce_smtp import MessageData

PIECES = st.lists(
    st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"x", b"..", b"\r\n.", b".\r\n"]), max_size=30
)


def stuffed(message: bytes) -> bytes:
    """Return a message that ends with CRLF as SMTP transmits it."""
    lines = message.removesuffix(b"\r\n").split(b"\r\n") if message else []
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def received(octets: bytes, sizes: list[int], kept: int = 1000) -> tuple[MessageData, bytes | None]:
    data, at = MessageData(kept), 0
    for size in [*sizes, len(octets)]:
        if at < len(octets) and (rest := data.feed(octets[at : at + size])) is not None:
            return data, rest + octets[at + size :]
        at += size
    return data, None


@given(PIECES, st.lists(st.integers(1, 9), max_size=40))
def test_any_message_in_any_pieces(pieces: list[bytes], sizes: list[int]) -> None:
    """The message is as it was before dot-stuffing; a command behind it is left."""
    message = b"".join(pieces) + b"\r\n" if pieces else b""

    data, rest = received(stuffed(message) + b"QUIT\r\n", sizes)

    assert (data.content(), rest) == (message, b"QUIT\r\n")


@pytest.mark.conformance("RFC 5321", "4.1.1.4 end of data", "Only CRLF.CRLF ends a message that comes back.")
def test_a_line_that_only_looks_like_the_end() -> None:
    """Only CRLF.CRLF ends a message: anything else would let one message smuggle another one in."""
    for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.x\r\n"):
        data, rest = received(b"a" + end + b"b\r\n", [])
        assert rest is None
        assert data.size == len(end) + 4


def test_a_long_message_is_counted_and_not_kept() -> None:
    """Its beginning is kept, with a line longer than SMTP allows."""
    data, rest = received(b"x" * 5000 + b"\r\n.\r\n", [700] * 20)

    assert (data.size, len(data.content()), rest) == (5005, 1000, b"")
