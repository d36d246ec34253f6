"""Lines of output on a terminal and in a pipe."""

import io
from functools import partial

import pytest
from rich.console import Console

from service.cli.support import output

LINE = (
    "12:00:00.000  outcomes  overbid  email  alice  bounced  mailbox_unknown: the mailbox does not exist  k1"
)


def _print(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    file = io.StringIO()
    make = partial(Console, file=file, highlight=False, markup=False, emoji=False, color_system=None)
    console = make(width=80, force_terminal=True) if terminal else make(width=10_000)
    monkeypatch.setattr(output, "console", lambda *, stderr=False: console)
    output.print_wrapped(LINE, hanging=" " * 14)
    return file.getvalue()


def test_a_terminal_gets_lines_of_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken between words; later lines are indented; no word is lost."""
    lines = _print(monkeypatch, terminal=True).splitlines()

    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith(" " * 14)
    assert " ".join(lines).split() == LINE.split()


def test_a_pipe_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`grep` finds whole records."""
    assert _print(monkeypatch, terminal=False) == LINE + "\n"
