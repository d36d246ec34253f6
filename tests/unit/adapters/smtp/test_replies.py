"""The reply parser: the same replies however the stream is cut, and bounds for endless input."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.adapters.smtp.replies import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARACTERS,
    ReplyParser,
    group_accepted,
    to_reply,
)

texts = st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
codes = st.integers(200, 559).filter(lambda code: code // 10 % 10 < 6)


@st.composite
def replies(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    return draw(codes), draw(st.lists(texts, min_size=1, max_size=4))


def wire(code: int, lines: list[bytes]) -> bytes:
    separators = [b"-"] * (len(lines) - 1) + [b" "]
    return b"".join(
        b"%d%s%s\r\n" % (code, separator, line) for separator, line in zip(separators, lines, strict=True)
    )


@pytest.mark.exhaustive
@given(st.lists(replies(), max_size=6), st.data())
def test_any_cut_gives_the_same_replies(
    sent_replies: list[tuple[int, list[bytes]]], data: st.DataObject
) -> None:
    """Return complete replies in order, whatever the pieces."""
    stream = b"".join(wire(*reply) for reply in sent_replies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    parser, parsed = ReplyParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        parsed += parser.feed(stream[start:end])

    assert parsed == [(code, b"\n".join(lines)) for code, lines in sent_replies]
    assert not parser.fault
    assert not parser.partial


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_any_input_gives_replies_or_a_fault(pieces: list[bytes]) -> None:
    """Never raise, whatever the input; return nothing more after a fault."""
    parser = ReplyParser()
    for piece in pieces:
        before = parser.fault
        parsed = parser.feed(piece)
        assert all(200 <= code <= 559 for code, _ in parsed)
        if before:
            assert parsed == []


@given(st.lists(replies(), max_size=3), st.binary(min_size=1, max_size=30), st.data())
def test_replies_before_a_fault_count(
    good: list[tuple[int, list[bytes]]], junk: bytes, data: st.DataObject
) -> None:
    """Return the replies before a malformed line."""
    bad = b"2x" + junk.replace(b"\r", b"").replace(b"\n", b"") + data.draw(st.sampled_from([b"\r\n", b"\n"]))
    parser = ReplyParser()
    parsed = parser.feed(b"".join(wire(*reply) for reply in good) + bad)

    assert parsed == [(code, b"\n".join(lines)) for code, lines in good]
    assert parser.fault


@pytest.mark.parametrize("bad", [
    b"hello\r\n", b"25 x\r\n", b"250\n", b"250 x\n", b"999 x\r\n", b"150 x\r\n", b"260 x\r\n", b"250_x\r\n", b"\r\n",
    b"250-a\r\n251 b\r\n", b"250 " + b"x" * MAX_LINE_BYTES + b"\r\n", b"250 " + b"x" * 2 * MAX_LINE_BYTES,
    b"250-x\r\n" * 200, b"\xb2\xb5\xb0 x\r\n", b" 250 x\r\n", b"+25 x\r\n",
], ids=repr)  # fmt: skip
def test_strict(bad: bytes) -> None:
    """Report a fault for anything but a well-formed, bounded reply."""
    parser = ReplyParser()

    assert parser.feed(bad) == []
    assert parser.fault


def test_code_alone() -> None:
    """Accept a line that holds the code alone (RFC 5321 section 4.2.1)."""
    assert ReplyParser().feed(b"250\r\n250-\r\n250 x\r\n") == [(250, b""), (250, b"\nx")]


@pytest.mark.parametrize(
    ("raw", "enhanced", "text"),
    [
        (b"2.0.0 Ok: queued as 1", "2.0.0", "Ok: queued as 1"),
        (b"Ok", "", "Ok"),
        (b"2.1.5", "2.1.5", ""),
        (b"5.1.1 not ours", "", "5.1.1 not ours"),
        (b"2.0.0 first\n2.0.0 second", "2.0.0", "first second"),
        (b"2.0.0 a\x00\x1b[31mb\x7f\xe2\x80\xa8c", "2.0.0", "a  [31mb  c"),
        (b"\xff\xfe", "", "��"),
    ],
)
def test_reply(raw: bytes, enhanced: str, text: str) -> None:
    """Split off an enhanced code of the reply code's class; remove controls."""
    reply = to_reply(250, raw)

    assert (reply.enhanced, reply.text) == (enhanced, text)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_texts_in_an_older_charset_are_read(charset: str) -> None:
    """Read a text that is not UTF-8 as Latin-1: its words say what the reply means."""
    assert to_reply(550, "Empfänger unbekannt".encode(charset)).text == "Empfänger unbekannt"


def test_a_long_text_is_cut_between_characters() -> None:
    """A character that the limit cuts does not change the charset of the others."""
    assert to_reply(550, ("x" + "é" * 2000).encode()).text == "x" + "é" * (MAX_TEXT_CHARACTERS - 1)


@given(st.binary(max_size=3000))
def test_texts_are_bounded_and_printable(raw: bytes) -> None:
    """Return one bounded, printable line, whatever the server sends."""
    reply = to_reply(550, raw)

    assert len(reply.text) <= MAX_TEXT_CHARACTERS
    assert reply.text.isprintable()


@given(st.lists(st.one_of(texts, st.binary(max_size=20)), min_size=4, max_size=4), st.binary(max_size=3))
@example([b"2.0.0 Ok", b"", b"a\rb", b"Go ahead"], b"")
@example([b"Ok", b"Ok", b"Ok", b"Go ahead"], b"250")
@example([b"x" * MAX_LINE_BYTES, b"", b"", b""], b"")
def test_a_group_matched_at_once_equals_the_parser(texts_sent: list[bytes], more: bytes) -> None:
    """Match nothing that the parser would refuse, and return the same text."""
    codes = (250, 250, 250, 354)
    data = b"".join(b"%d %b\r\n" % pair for pair in zip(codes, texts_sent, strict=True)) + more
    parser = ReplyParser()
    parsed = parser.feed(data)

    if (first := group_accepted(data)) is not None:
        assert [code for code, _ in parsed] == [*codes]
        assert parsed[0][1] == first
        assert not parser.fault
        assert not parser.partial


@pytest.mark.parametrize("changed", [b"251 ", b"250-", b"450 ", b"250", b" 250 "])
@pytest.mark.parametrize("position", range(4))
def test_a_group_with_another_reply_is_not_matched(changed: bytes, position: int) -> None:
    """Leave any other code or separator, at any of the four positions, to the parser."""
    lines = [b"250 Ok", b"250 Ok", b"250 Ok", b"354 Go ahead"]
    assert group_accepted(b"\r\n".join([*lines, b""])) == b"Ok"
    lines[position] = changed + b"Ok"
    assert group_accepted(b"\r\n".join([*lines, b""])) is None
