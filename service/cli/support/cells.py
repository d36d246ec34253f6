"""Text in the cells of a terminal: width, cutting, wrapping between words, plurals and grouped numbers."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from service.model.mask import NARROW_SPACE

ELLIPSIS = "…"
_FIRST_WIDE = "\u1100"  # no character before it takes two cells
_LEAST_GROUPED = 10_000  # a number of four digits is read at a glance


class Sized(Protocol):
    """A column, as `fit` sees it."""

    @property
    def priority(self) -> int:
        """Return the priority: the column with the lowest is dropped first."""

    @property
    def least(self) -> int:
        """Return the width below which the column is dropped rather than cut; 0: it is never cut."""


def width(text: str) -> int:
    """Return how many cells a text takes: two for a wide character (UAX 11), none for a combining one."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, cells: int, *, middle: bool = False) -> str:
    """Return a text of at most so many cells, with an ellipsis where it was cut.

    The cut is after a word, or inside one that is longer than half of the cells; with `middle` it is in the middle,
    which keeps both ends of an id.
    """
    if width(text) <= cells:
        return text
    if cells <= 1:
        return ELLIPSIS[:cells]
    if middle and cells > 8:
        tail = _head(text[::-1], (cells - 1) // 3)[::-1]
        return f"{_head(text, cells - 1 - width(tail))}{ELLIPSIS}{tail}"
    head = _head(text, cells - 1)
    if text[len(head)] != " " and (space := head.rfind(" ")) > cells // 2:
        head = head[:space]
    return head.rstrip() + ELLIPSIS


def _head(text: str, cells: int) -> str:
    """Return the longest beginning of a text that takes at most so many cells."""
    if text.isascii():
        return text[:cells]
    used = 0
    for index, character in enumerate(text):
        used += width(character)
        if used > cells:
            return text[:index]
    return text


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Return a text filled with blanks to so many cells; aligned to the right if `right`."""
    blanks = " " * (cells - width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, cells: int, *, indent: str = "", hanging: str = "", whole: bool = False) -> Iterator[str]:
    """Yield a text in lines of at most so many cells, broken between words, or between wide characters.

    The first line begins with `indent`, later ones with `hanging`. A word longer than a line ends in an ellipsis; if
    `whole`, it is broken instead, so that nothing is lost.
    """
    line, blank = indent, ""
    empty = True
    for word in text.split(" "):
        for part in _breakable(word):
            if not empty and width(line) + len(blank) + width(part) > cells:
                yield line
                line, empty = hanging, True
            if whole and empty:
                *pieces, rest = _pieces(part, cells - width(line), cells - width(hanging))
                for piece in pieces:
                    yield line + piece
                    line = hanging
                line += rest
            else:
                line += part if empty else blank + part
            if empty and width(line) > cells:
                line = cut(line, cells)
            blank, empty = "", False
        blank = " "
    yield line.rstrip()


def _pieces(word: str, first: int, later: int) -> Iterator[str]:
    """Yield a word in pieces that fit a line, of which the first has another width."""
    cells = first
    while len(head := _head(word, max(cells, 2))) < len(word):
        yield head
        word, cells = word[len(head) :], later
    yield word


def _breakable(word: str) -> Iterator[str]:
    """Yield the parts of a word between which a line may be broken: each wide character is one."""
    begin = 0
    for index, character in enumerate(word):
        if character >= _FIRST_WIDE and width(character) > 1:
            if begin < index:
                yield word[begin:index]
            yield character
            begin = index + 1
    if begin < len(word) or not word:
        yield word[begin:]


def fit(wanted: Sequence[int], columns: Sequence[Sized], cells: int, gap: int = 2) -> list[int]:
    """Return the widths of columns that together take at most so many cells; 0 for a column that is dropped.

    The widest columns are cut first, down to `least`. Where that does not suffice, the column with the lowest priority
    is dropped, of equals the last one. One column always remains.
    """
    wanted = [min(size, cells) for size in wanted]
    kept = [i for i, size in enumerate(wanted) if size]
    while True:
        floors = {i: min(wanted[i], columns[i].least or wanted[i]) for i in kept}
        if sum(floors.values()) + gap * (len(kept) - 1) <= cells or len(kept) <= 1:
            break
        kept.remove(min(kept, key=lambda i: (columns[i].priority, -i)))
    widths = {i: wanted[i] for i in kept}
    excess = sum(widths.values()) + gap * (len(kept) - 1) - cells
    while excess > 0 and (wide := [i for i in kept if widths[i] > floors[i]]):
        widest = max(wide, key=lambda i: (widths[i], i))
        widths[widest] -= 1
        excess -= 1
    if excess > 0:
        widths = {i: max(1, size - excess) for i, size in widths.items()}
    return [widths.get(i, 0) for i in range(len(columns))]


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 delivery`, `2 deliveries`, `12 345 addresses`."""
    return f"{grouped(count)} {noun if count == 1 else plural_noun(noun)}"


def plural_noun(noun: str) -> str:
    """Return the plural of an English noun, or of a phrase that ends with one."""
    if noun.endswith("y") and noun[-2:-1] not in ("", *"aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def grouped(number: float) -> str:
    """Return a number with thin blanks between its groups of three digits, from 10 000 on."""
    if abs(number) < _LEAST_GROUPED:
        return str(number)
    return f"{number:,}".replace(",", NARROW_SPACE)
