"""Quoted-printable bodies (RFC 2045 section 6.7), written piece by piece so that fixed pieces are encoded once."""

import re
from binascii import b2a_qp
from collections.abc import Iterable, Mapping

CRLF = b"\r\n"
_SOFT = b"=\r\n"
_WIDTH = 75  # 76 with the "=" of a soft break
_UNSAFE_FIRST = " .F"  # a piece that begins with one of these must not start a line unchanged
_EQUALS = ord("=")
_NEWLINE = re.compile(rb"\r\n|\r|\n")
# An mbox file would get ">From "; a piece can end within the word.
_FROM = frozenset((b"F", b"Fr", b"Fro", b"From", b"From "))

# A piece ready to be written at any column: its bytes, the length of its first line, and the length of its last line,
# or -1 where it has one line only.
EncodedPiece = tuple[bytes, int, int]


def encode_piece(piece: str) -> EncodedPiece:
    """Return the piece encoded so that it is safe at any column and beside any other piece.

    Line ends become CRLF, a lone surrogate becomes "?".
    """
    if (
        piece.isascii() and piece.isprintable() and "=" not in piece
        and len(piece) <= _WIDTH and piece[:1] not in _UNSAFE_FIRST and piece[-1] != " "
    ):  # fmt: skip
        return piece.encode("ascii"), len(piece), -1
    raw = piece.encode("utf-8", "replace")
    multiline = b"\n" in raw or b"\r" in raw
    if not multiline:
        data = b2a_qp(raw, istext=False)
        if len(data) <= _WIDTH and not data.startswith((b".", b"F")):
            return data, len(data), -1
    data = CRLF.join(map(_encode_line, _NEWLINE.split(raw))) if multiline else _encode_line(raw)
    cut = data.find(CRLF)
    if cut < 0:
        return data, len(data), -1
    return data, cut, len(data) - data.rfind(CRLF) - 2


def write_body(
    pieces: Iterable[str], fixed: Mapping[str, EncodedPiece], own: dict[str, EncodedPiece], out: list[bytes]
) -> None:
    """Append a body to `out`.

    A piece that `fixed` holds costs a look-up; any other is encoded once for each email and kept in `own`.
    """
    column = 0
    append, get_fixed = out.append, fixed.get
    for piece in pieces:
        encoded = get_fixed(piece) or own.get(piece)
        if encoded is None:
            encoded = own[piece] = encode_piece(piece)
        data, first, last = encoded
        # At column 0 the first line of every piece fits, so a soft break is due only after other text.
        if column + first > _WIDTH and column:
            append(_SOFT)
            column = 0
        append(data)
        column = column + first if last < 0 else last


def encode_body(text: str) -> bytes:
    """Return a whole body, encoded in one piece."""
    out: list[bytes] = []
    write_body((text,), {}, {}, out)
    return b"".join(out)


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
    return b"=46" if head in _FROM else b""
