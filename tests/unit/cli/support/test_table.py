"""Tables on a terminal and in a pipe."""

import io
from typing import Any

import pytest
from rich.console import Console

from service.cli.support import output, table
from service.cli.support.table import Column, Kind, listing, print_table

COLUMNS = (
    Column("id", Kind.id, priority=9, narrow=10),
    Column("state", Kind.state, priority=8),
    Column("count", Kind.number, priority=6),
    Column("time", Kind.time, priority=7),
    Column("detail", priority=4),
)
ROW = {
    "id": "order-0123456789-0123456789",
    "state": "bounced",
    "count": 12345,
    "time": "2001-01-01T00:00:00.000Z",
    "detail": "the mailbox \x1b[31mdoes not exist",
    "hidden": 1,
}


def _printed(
    monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any], width: int | None, **options: Any
) -> list[str]:
    file = io.StringIO()
    made = Console(
        file=file,
        width=width or 10_000,
        force_terminal=width is not None,
        color_system=None,
        highlight=False,
        markup=False,
    )
    for module in (output, table):
        monkeypatch.setattr(module, "console", lambda *, stderr=False: made)
    print_table(COLUMNS, rows, **options)
    return file.getvalue().splitlines()


def test_a_wide_terminal_shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers grouped and to the right; control characters as escapes; a long past time as its date."""
    lines = _printed(monkeypatch, ROW, {"id": "b", "count": 7}, width=120)

    assert lines == [
        "id                           state     count  time        detail",
        "order-0123456789-0123456789  bounced  12\u202f345  2001-01-01  the mailbox \\x1b[31mdoes not exist",
        "b                                          7",
    ]


def test_a_narrow_terminal_drops_and_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detail goes first; the id keeps both ends; no state and no number is cut."""
    lines = _printed(monkeypatch, ROW, width=44)

    assert lines[1] == "order-0123…6789  bounced  12\u202f345  2001-01-01"


def test_a_pipe_gets_whole_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """With times in full and numbers without blanks, for other programs."""
    lines = _printed(monkeypatch, ROW | {"detail": "x" * 300}, width=None)

    assert lines[1].split() == [ROW["id"], "bounced", "12345", ROW["time"], "x" * 300]


def test_utc_shows_times_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal too."""
    assert ROW["time"] in _printed(monkeypatch, ROW, width=120, utc=True)[1]


def test_json_has_every_field(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """One document a line, as the command made it."""
    listing(COLUMNS, [{"id": "a", "hidden": 1}], as_json=True)

    assert capsysbinary.readouterr().out == b'{"id":"a","hidden":1}\n'
