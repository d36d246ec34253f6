"""Output of commands: results on stdout, as text or JSON; notes and errors on stderr, one line each."""

import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from service.model.mask import mask_text, printable

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000  # a pipe has no width: no line is cut off or wrapped


class CliError(Exception):
    """A command failed. `remedy`: what the operator can do about it, or empty."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


@cache
def console(*, stderr: bool = False) -> "Console":
    """Return the console of stdout or stderr; it has colours only on a terminal and without NO_COLOR."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_error(message: str, remedy: str = "") -> None:
    """Print an error as one line on stderr, with addresses masked."""
    line = printable(mask_text(" ".join(f"{message}; {remedy}".split() if remedy else message.split())))
    console(stderr=True).print(f"tocsin: {line}", style="red", soft_wrap=True)


def print_note(message: str) -> None:
    """Print a line on stderr that is not part of the result."""
    console(stderr=True).print(printable(message), style="dim", soft_wrap=True)


def print_text(message: str, style: str = "") -> None:
    """Print a line of the result."""
    console().print(printable(message), style=style or None, soft_wrap=True)


def print_wrapped(message: str, style: str = "", *, indent: str = "", hanging: str = "") -> None:
    """Print a line of the result; on a terminal break it between words, with later lines indented by `hanging`.

    A pipe gets one line, so that `grep` finds whole records.
    """
    text = printable(message)
    lines = [indent + text]
    if console().is_terminal:
        lines = textwrap.wrap(
            text,
            max(console().width, 40),
            initial_indent=indent,
            subsequent_indent=hanging or indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    for line in lines:
        console().print(line, style=style or None, soft_wrap=True)


def json_line(document: Any, *, flush: bool = False) -> None:
    """Print a JSON document as one line."""
    sys.stdout.buffer.write(orjson.dumps(document, default=str) + b"\n")
    if flush:
        sys.stdout.buffer.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; columns of numbers are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    lines = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        number = bool(lines) and all(line[index].replace(".", "", 1).isdigit() for line in lines)
        grid.add_column(column, justify="right" if number else "left", overflow="fold")
    for line in lines:
        grid.add_row(*map(Text, line))
    console().print(grid)


def listing(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table of these columns, or as JSON Lines with all their fields."""
    if as_json:
        for row in rows:
            json_line(row)
        sys.stdout.buffer.flush()
    else:
        table(
            [name.replace("_", " ") for name in columns],
            ([row.get(name) for name in columns] for row in rows),
        )
