"""Quoted-printable bodies (RFC 2045 section 6.7), written piece by piece so that fixed pieces are encoded once."""

import re
from binascii import b2a_qp
from collections.abc import Iterable, Mapping

CRLF = b"\r\n"
_SOFT = b"=\r\n"
_WIDTH = 75  # 76 with the "=" of a soft break
_DELICATE = " .F"  # what a piece must not begin with to be safe at the start of a line
_NEWLINE = re.compile(rb"\r\n|\r|\n")
# An mbox store would write ">From "; a piece may end in the middle of the word.
_FROM = frozenset((b"F", b"Fr", b"Fro", b"From", b"From "))


# A piece ready to be written at any column: its bytes, the length of its first line, and that of its last line, -1
# when the first is the only one.
Coded = tuple[bytes, int, int]


def encode(piece: str) -> Coded:
    """Safe at any column and before or after any other piece; line ends become CRLF. A lone surrogate becomes "?"."""
    if (
        piece.isascii() and piece.isprintable() and "=" not in piece
        and len(piece) <= _WIDTH and piece[:1] not in _DELICATE and piece[-1] != " "
    ):  # fmt: skip
        return piece.encode("ascii"), len(piece), -1
    raw = piece.encode("utf-8", "replace")
    several = b"\n" in raw or b"\r" in raw
    data = CRLF.join(map(_line, _NEWLINE.split(raw))) if several else _line(raw)
    cut = data.find(CRLF)
    if cut < 0:
        return data, len(data), -1
    return data, cut, len(data) - data.rfind(CRLF) - 2


def write(pieces: Iterable[str], fixed: Mapping[str, Coded], own: dict[str, Coded], out: list[bytes]) -> None:
    """Append a body to `out`. Pieces found in `fixed` cost a look-up; others are encoded once a mail, into `own`."""
    column = 0
    append, known = out.append, fixed.get
    for piece in pieces:
        coded = known(piece) or own.get(piece)
        if coded is None:
            coded = own[piece] = encode(piece)
        data, first, last = coded
        if column + first > _WIDTH and column:
            append(_SOFT)
            column = 0
        append(data)
        column = column + first if last < 0 else last


def quoted(text: str) -> bytes:
    """A whole body at once."""
    out: list[bytes] = []
    write((text,), {}, {}, out)
    return b"".join(out)


def _line(line: bytes) -> bytes:
    """One line without its end; longer than 75 it is cut by soft breaks, never inside an escape."""
    # b2a_qp breaks lines too, but at 76, blind to leading dots: its breaks are taken out again.
    line = b2a_qp(line, istext=False).replace(b"=\n", b"")
    if len(line) <= _WIDTH and not line.startswith((b".", b"F")):
        return line
    parts, start, end = [], 0, len(line)
    while start < end:
        guard = _guard(line[start : start + 5])
        stop = start + _WIDTH - (2 if guard else 0)
        if stop < end:
            stop -= 1 if line[stop - 1] == _EQUALS else 2 if line[stop - 2] == _EQUALS else 0
        parts.append(guard + line[start + 1 : stop] if guard else line[start:stop])
        start = stop
    return _SOFT.join(parts)


def _guard(head: bytes) -> bytes:
    """What stands for the first byte of a line that SMTP or an mbox would change."""
    if head.startswith(b"."):
        return b"=2E"
    return b"=46" if head in _FROM else b""


_EQUALS = ord("=")
