"""Quoted-printable bodies."""

import quopri

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.adapters.templates.quoted_printable import EncodedValues, encode_piece, join_pieces

HARD = ["", ".", "..", "." * 200, "From x", "F", "Fro", "\n.\n", "a \n", "\t", "a\rb\r\nc\nd", "=" * 100]
PIECES = st.lists(
    st.one_of(st.sampled_from([*HARD, "m here", "ü" * 60, "\x00", "\u2028", "x" * 74]), st.text())
)


def lf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode()


@given(PIECES)
@example(["Fro", "m x"])
@example(["x" * 75, ".", "From y"])
def test_pieces_survive(pieces: list[str]) -> None:
    """Any pieces decode to their text, and every line is safe for SMTP and mbox."""
    values = EncodedValues()
    body = join_pieces(
        values[piece] if number % 2 else encode_piece(piece) for number, piece in enumerate(pieces)
    )

    # A CR and an LF in two pieces are two line ends, so each piece is converted to LF alone.
    assert b"".join(map(lf, pieces)) == quopri.decodestring(body).replace(b"\r\n", b"\n")
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith(b".")
        assert not line.startswith(b"From ")
        assert not line.endswith((b" ", b"\t"))
        assert not any((byte < 32 and byte != 9) or byte > 126 for byte in line)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300))
def test_ascii_text_in_one_piece(text: str) -> None:
    """Readable text decodes byte for byte."""
    assert text.encode() == quopri.decodestring(encode_piece(text))
    assert EncodedValues()[text] == encode_piece(text)


def test_plain_words_stay_readable() -> None:
    """Short ASCII text is written unchanged."""
    assert encode_piece("Lot 12 is yours") == b"Lot 12 is yours"


def test_lone_surrogate() -> None:
    """A lone surrogate becomes a question mark instead of an error."""
    assert encode_piece("a\ud800b") == b"a?b"


@pytest.mark.parametrize("text", ["ä" * 40, "€" * 40, "𝄞" * 40])
def test_soft_breaks_spare_escapes(text: str) -> None:
    """A soft break never divides an escape."""
    for line in encode_piece(text).split(b"\r\n"):
        body = line[:-1] if line.endswith(b"=") else line
        assert len(body) % 3 == 0
