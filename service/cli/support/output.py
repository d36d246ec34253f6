"""Output of commands: results on stdout, as text or JSON; notes and errors on stderr.

On a terminal a line is broken between words at the terminal's width; a pipe gets whole lines, for `grep`.
"""

import sys
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from service.cli.support.cells import wrap
from service.cli.support.times import TimeFormat
from service.model.mask import mask_text, printable

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000  # for rich, which cuts or wraps at some width
_LEAST_WIDTH = 40
Utc = Annotated[bool, typer.Option("--utc", help="Show times in full, in UTC, as a pipe gets them.")]
STYLES = {
    **dict.fromkeys(("sent", "delivered", "ok", "on", "redriven", "active"), "green"),
    **dict.fromkeys(("queued", "sending", "hint", "running"), "cyan"),
    **dict.fromkeys(("deferred", "ambiguous", "held", "returned", "warn", "paused", "resting"), "yellow"),
    **dict.fromkeys(("bounced", "dead", "expired", "fail", "open", "stopped", "misconfigured"), "red"),
    **dict.fromkeys(("skipped", "superseded", "withdrawn", "discarded", "revoked", "off"), "dim"),
}
"""The colour of each state: of deliveries, dead letters, relays, stages, keys and the findings of `doctor`."""


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


def terminal_width(*, stderr: bool = False) -> int | None:
    """Return the columns of the terminal that stdout or stderr is; None where it is none."""
    target = console(stderr=stderr)
    return max(target.width, _LEAST_WIDTH) if target.is_terminal else None


def time_format(*, utc: bool = False) -> TimeFormat:
    """Return how times are shown: relative to now on a terminal; in full if `utc`, and in a pipe."""
    return TimeFormat(utc or terminal_width() is None, time.time_ns() // 1_000_000)


def print_error(message: str, remedy: str = "") -> None:
    """Print an error on stderr, with addresses masked; as one line where stderr is no terminal."""
    line = mask_text(" ".join(f"{message}; {remedy}".split() if remedy else message.split()))
    print_wrapped(f"tocsin: {line}", "red", hanging="  ", stderr=True)


def print_note(message: str) -> None:
    """Print a note on stderr, which is not part of the result."""
    print_wrapped(message, "dim", hanging="  ", stderr=True)


def print_text(message: str, style: str = "") -> None:
    """Print a line of the result as it is, of any length: what is copied must not be broken."""
    console().print(printable(message), style=style or None, soft_wrap=True)


def print_wrapped(
    message: str, style: str = "", *, indent: str = "", hanging: str = "", stderr: bool = False
) -> None:
    """Print a paragraph; on a terminal break it between words, with later lines indented by `hanging`."""
    text, columns = printable(message), terminal_width(stderr=stderr)
    lines = [indent + text]
    if columns is not None:
        lines = list(wrap(text, columns, indent=indent, hanging=hanging or indent))
    for line in lines:
        console(stderr=stderr).print(line, style=style or None, soft_wrap=True)


def print_data(text: str, *, hanging: str = "") -> None:
    """Print data as they are in a pipe; on a terminal indent JSON, and break long lines, also inside of words."""
    columns = terminal_width()
    if columns is None:
        print_text(text)
        return
    with suppress(orjson.JSONDecodeError):
        text = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip(" ")))
        for part in wrap(
            printable(line.lstrip(" ")), columns, indent=indent, hanging=hanging or indent, whole=True
        ):
            console().print(part, soft_wrap=True)


def json_line(document: Any, *, flush: bool = False) -> None:
    """Print a JSON document as one line."""
    sys.stdout.buffer.write(orjson.dumps(document, default=str) + b"\n")
    if flush:
        sys.stdout.buffer.flush()
