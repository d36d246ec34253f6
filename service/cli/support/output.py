"""What verbs print: results on stdout, for people or as JSON; everything else on stderr, one line each."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from service.model.mask import mask_text

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000  # a pipe has no width: nothing is cut off or wrapped


class CliError(Exception):
    """What a verb was asked for cannot be done; `remedy` is what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


@cache
def console(*, stderr: bool = False) -> "Console":
    """Where people read; colours only on a terminal and without NO_COLOR."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_error(message: str, remedy: str = "") -> None:
    """One line on stderr, without addresses."""
    line = printable(mask_text(" ".join(f"{message}; {remedy}".split() if remedy else message.split())))
    console(stderr=True).print(f"tocsin: {line}", style="red", soft_wrap=True)


def print_note(message: str) -> None:
    """A line for people beside the result."""
    console(stderr=True).print(printable(message), style="dim", soft_wrap=True)


def print_text(message: str, style: str = "") -> None:
    """A line of the result."""
    console().print(printable(message), style=style or None, soft_wrap=True)


def json_line(document: Any, *, flush: bool = False) -> None:
    """One document on a line of its own."""
    sys.stdout.buffer.write(orjson.dumps(document, default=str) + b"\n")
    if flush:
        sys.stdout.buffer.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people; numbers to the right."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    lines = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        number = bool(lines) and all(line[index].replace(".", "", 1).isdigit() for line in lines)
        drawn.add_column(column, justify="right" if number else "left", overflow="fold")
    for line in lines:
        drawn.add_row(*map(Text, line))
    console().print(drawn)


def listing(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Rows as a table, or as JSON Lines with all their fields."""
    if as_json:
        for row in rows:
            json_line(row)
        sys.stdout.buffer.flush()
    else:
        table(
            [name.replace("_", " ") for name in columns],
            ([row.get(name) for name in columns] for row in rows),
        )


def printable(text: str) -> str:
    """Text that cannot steer a terminal: controls and invisible characters as escapes."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}" for c in text
    )
