"""Cells of a table: any text and any width give lines that fit, and nothing that could control a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from service.cli.support.cells import (
    ELLIPSIS,
    cut,
    fit,
    grouped,
    pad,
    plural,
    plural_noun,
    width,
    wrap,
)
from service.cli.support.table import Column, Kind
from service.model.mask import printable

TEXTS = st.text().map(printable)
COLUMNS = st.lists(
    st.builds(
        Column,
        name=st.text("abc", min_size=1, max_size=12),
        kind=st.sampled_from(Kind),
        priority=st.integers(0, 9),
        narrow=st.integers(1, 30),
    ),
    min_size=1,
    max_size=9,
)


@given(st.text())
def test_printable_text_cannot_control_a_terminal(text: str) -> None:
    """Whatever a record holds: escapes of ANSI, direction marks, zero-width characters."""
    assert printable(text).replace("\u202f", " ").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb\u200b", "a\\u202eb\\u200b"),
        ("\U000e0041", "\\U000e0041"),
        ("<script>", "<script>"),
        ("日本", "日本"),
        (grouped(12_345), "12\u202f345"),
    ],
)
def test_invisible_characters_are_escapes(text: str, shown: str) -> None:
    """So that an operator sees that they are there."""
    assert printable(text) == shown


@given(TEXTS, st.integers(0, 60), st.booleans())
def test_a_cut_text_fits(text: str, cells: int, middle: bool) -> None:
    """In as many cells as rich counts; with an ellipsis exactly if something is missing."""
    short = cut(text, cells, middle=middle)

    assert cell_len(short) == width(short) <= cells
    assert (short == text) == (cell_len(text) <= cells)
    if short != text and cells:
        assert ELLIPSIS in short
        assert cell_len(pad(short, cells)) == cells


def test_a_cut_is_after_a_word_or_in_the_middle_of_an_id() -> None:
    """A word is cut only where it is most of the column."""
    assert cut("listed in the group", 16) == "listed in the…"
    assert cut("listed in", 9) == "listed in"
    assert cut("preference_off_for", 12) == "preference_…"
    assert cut("addr-be15a82780bbbcc7acc69e36", 16, middle=True) == "addr-be15a…69e36"
    assert cut("日本語のテキスト", 8) == "日本語…"


@given(TEXTS, st.integers(10, 80), st.sampled_from(["", "  ", "    "]))
def test_wrapped_lines_fit_and_lose_no_word(text: str, cells: int, indent: str) -> None:
    """Except a word that is longer than a line, which ends in an ellipsis."""
    lines = list(wrap(text, cells, indent=indent, hanging=indent))

    assert all(cell_len(line) <= cells for line in lines)
    if all(cell_len(word) <= cells - len(indent) for word in text.split(" ")):
        assert "".join("".join(lines).split()) == "".join(text.split())


@given(TEXTS, st.integers(10, 80), st.sampled_from(["", "  "]))
def test_data_lose_nothing(text: str, cells: int, indent: str) -> None:
    """A word that is longer than a line is broken instead of cut."""
    lines = list(wrap(text, cells, indent=indent, hanging=indent, whole=True))

    assert all(cell_len(line) <= cells for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_lines_are_broken_between_words_or_wide_characters() -> None:
    """Later lines hang."""
    assert list(wrap("one two three", 9, hanging="  ")) == ["one two", "  three"]
    assert list(wrap("日本語です", 6)) == ["日本語", "です"]
    assert list(wrap("", 9)) == [""]


@given(COLUMNS, st.data(), st.integers(1, 250))
def test_columns_fit_the_terminal(columns: list[Column], data: st.DataObject, cells: int) -> None:
    """Together with the gaps; a column is dropped only before all with a higher priority."""
    wanted = [data.draw(st.integers(0, 300)) for _ in columns]

    widths = fit(wanted, columns, cells)

    shown = [i for i, size in enumerate(widths) if size]
    assert sum(widths) + 2 * max(0, len(shown) - 1) <= max(cells, 1)
    assert all(size <= want for size, want in zip(widths, wanted, strict=True))
    assert bool(shown) == any(wanted)
    dropped = [columns[i].priority for i, want in enumerate(wanted) if want and not widths[i]]
    assert not dropped or max(dropped) <= min(columns[i].priority for i in shown)
    if len(shown) > 1:
        assert all(widths[i] >= min(wanted[i], columns[i].least or wanted[i]) for i in shown)


def test_the_widest_columns_are_cut_first() -> None:
    """Then the column with the lowest priority is dropped."""
    columns = [Column("id", Kind.id, priority=9), Column("detail", priority=4), Column("at", Kind.time)]

    assert fit([10, 40, 8], columns, 62) == [10, 40, 8]
    assert fit([10, 40, 8], columns, 42) == [10, 20, 8]
    assert fit([10, 40, 8], columns, 30) == [10, 0, 8]
    assert fit([10, 40, 8], columns, 5) == [5, 0, 0]


@pytest.mark.parametrize(
    ("noun", "nouns"),
    [
        ("delivery", "deliveries"),
        ("address", "addresses"),
        ("inbox", "inboxes"),
        ("key", "keys"),
        ("dead letter", "dead letters"),
        ("batch", "batches"),
        ("inbox entry", "inbox entries"),
    ],
)
def test_plurals(noun: str, nouns: str) -> None:
    """One has its noun, every other number the plural."""
    assert plural_noun(noun) == nouns
    assert (plural(1, noun), plural(0, noun), plural(2, noun)) == (f"1 {noun}", f"0 {nouns}", f"2 {nouns}")


def test_long_numbers_are_grouped() -> None:
    """By narrow blanks that do not break a line, from five digits on."""
    assert [grouped(n) for n in (0, 9999, 10_000, 1_234_567, -12_345)] == [
        "0",
        "9999",
        "10\u202f000",
        "1\u202f234\u202f567",
        "-12\u202f345",
    ]
