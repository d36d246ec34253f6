"""Quoted-printable bodies (RFC 2045 section 6.7), written piece by piece so that fixed pieces are encoded once."""

import re
from binascii import b2a_qp
from collections.abc import Iterable

CRLF = b"\r\n"
_SOFT = b"=\r\n"
_WIDTH = 75  # 76 with the "=" of a soft break
_UNSAFE_FIRST = " .F"  # the first characters of what may have to be escaped
_EQUALS = ord("=")
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_FROM = b"From "  # an mbox file would get ">From "


def encode_piece(piece: str) -> bytes:
    """Return the piece encoded: safe at the beginning of a line, and before a soft break.

    Line ends become CRLF, a lone surrogate becomes "?".
    """
    raw = piece.encode("utf-8", "replace")
    if b"\n" in raw or b"\r" in raw:
        return CRLF.join(map(_encode_line, _NEWLINE.split(raw)))
    return _encode_line(raw)


class EncodedValues(dict[str, bytes]):
    """The encoded values of one message, each encoded when it is first asked for; most need no encoding."""

    def __missing__(self, piece: str) -> bytes:
        plain = (
            piece.isascii() and piece.isprintable() and "=" not in piece
            and len(piece) <= _WIDTH and piece[:1] not in _UNSAFE_FIRST and piece[-1] != " "
        )  # fmt: skip
        encoded = self[piece] = piece.encode("ascii") if plain else encode_piece(piece)
        return encoded


def join_pieces(pieces: Iterable[bytes]) -> bytes:
    """Return a body of encoded pieces: each begins a line, so that none has to know how long the line before it is."""
    return _SOFT.join(pieces)


def _encode_line(line: bytes) -> bytes:
    """Return one line, encoded, without its end; beyond 75 octets soft breaks divide it, never within an escape."""
    # b2a_qp breaks lines too, but at 76 and without regard to leading dots: remove its breaks.
    line = b2a_qp(line, istext=False).replace(b"=\n", b"")
    if len(line) <= _WIDTH and not line.startswith((b".", b"F")):
        return line
    parts, start, end = [], 0, len(line)
    while start < end:
        escape = _escape_first(line[start : start + 5])
        stop = start + _WIDTH - (2 if escape else 0)
        if stop < end:
            stop -= 1 if line[stop - 1] == _EQUALS else 2 if line[stop - 2] == _EQUALS else 0
        parts.append(escape + line[start + 1 : stop] if escape else line[start:stop])
        start = stop
    return _SOFT.join(parts)


def _escape_first(head: bytes) -> bytes:
    """Return the escape of the first byte of a line that SMTP or an mbox file would change, else b""."""
    if head.startswith(b"."):
        return b"=2E"
    return b"=46" if head == _FROM else b""
