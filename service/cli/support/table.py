"""Tables for people: columns with priorities, fitted to the width of the terminal; whole lines in a pipe."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from service.cli.support.cells import cut, fit, grouped, pad, width
from service.cli.support.output import STYLES, console, json_line, terminal_width, time_format
from service.cli.support.times import TimeFormat
from service.model.mask import printable

if TYPE_CHECKING:
    from rich.text import Text

_GAP = 2


class Kind(Enum):
    """What a column holds, which decides how its cells are shown and cut."""

    text = "text"
    id = "id"
    """Cut in the middle: both ends of an id tell it from others."""
    state = "state"
    """Coloured, and never cut."""
    number = "number"
    """Aligned to the right, in groups of three digits, and never cut."""
    time = "time"
    """RFC 3339, shown as an age, and never cut."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `name`: of the field that it shows; its heading too, with blanks, unless that is set.

    `priority`: the column with the lowest is dropped first where the width does not suffice. `narrow`: the width below
    which it is dropped rather than cut.
    """

    name: str
    kind: Kind = Kind.text
    priority: int = 5
    narrow: int = 12
    heading: str | None = None

    @property
    def title(self) -> str:
        """Return the heading."""
        return self.name.replace("_", " ") if self.heading is None else self.heading

    @property
    def least(self) -> int:
        """Return the width below which the column is dropped; 0 for one that is never cut."""
        return 0 if self.kind in (Kind.state, Kind.number, Kind.time) else max(self.narrow, width(self.title))

    def cell(self, value: Any, times: TimeFormat, *, grouping: bool) -> str:
        """Return a value as text, without control characters."""
        if value is None:
            return ""
        if self.kind is Kind.number and isinstance(value, int | float):
            return grouped(value) if grouping else str(value)
        if self.kind is Kind.time:
            return times.of_text(str(value))
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list | tuple | set | frozenset):
            return printable(", ".join(map(str, value)))
        return printable(str(value))


class Table:
    """Rows of text under columns of these widths; a column of width 0 is not shown."""

    def __init__(self, columns: Sequence[Column], widths: Sequence[int]) -> None:
        self._columns = columns
        self._widths = widths
        self._shown = [i for i, size in enumerate(widths) if size]

    @classmethod
    def of_widths(cls, columns: Sequence[Column], wanted: Sequence[int], columns_wide: int | None) -> "Table":
        """Return a table of the wanted widths, fitted to a terminal of so many columns; None: to none."""
        return cls(columns, wanted if columns_wide is None else fit(wanted, columns, columns_wide, _GAP))

    @classmethod
    def of_lines(
        cls,
        columns: Sequence[Column],
        lines: Sequence[Sequence[str]],
        columns_wide: int | None,
        *,
        headed: bool = True,
    ) -> "Table":
        """Return a table whose columns are as wide as their widest cell, fitted to a terminal.

        Without headings a column that is empty is not shown.
        """
        titles = [width(column.title) if headed else 0 for column in columns]
        wanted = [max([title, *(width(line[i]) for line in lines)]) for i, title in enumerate(titles)]
        return cls.of_widths(columns, wanted, columns_wide)

    def heading(self) -> str:
        """Return the line of headings."""
        cells = (self._cell(i, self._columns[i].title) for i in self._shown)
        return (" " * _GAP).join(cells).rstrip()

    def styled(self, cells: Sequence[str]) -> "Text":
        """Return a row with its states in their colours."""
        from rich.text import Text

        text = Text()
        for i in self._shown:
            style = STYLES.get(cells[i], "") if self._columns[i].kind is Kind.state else ""
            text.append(" " * _GAP if len(text) else "")
            text.append(self._cell(i, cells[i]), style)
        text.rstrip()
        return text

    def _cell(self, i: int, text: str) -> str:
        column = self._columns[i]
        short = cut(text, self._widths[i], middle=column.kind is Kind.id)
        return pad(short, self._widths[i], right=column.kind is Kind.number)


def print_table(
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, Any]],
    *,
    utc: bool = False,
    headed: bool = True,
) -> None:
    """Print rows as a table. A column is cut or dropped on a terminal only."""
    columns_wide, times = terminal_width(), time_format(utc=utc)
    lines = [
        [column.cell(row.get(column.name), times, grouping=columns_wide is not None) for column in columns]
        for row in rows
    ]
    table = Table.of_lines(columns, lines, columns_wide, headed=headed)
    if headed:
        console().print(table.heading(), style="bold", soft_wrap=True)
    for line in lines:
        console().print(table.styled(line), soft_wrap=True)


def listing(
    columns: Sequence[Column | str],
    rows: Iterable[Mapping[str, Any]],
    *,
    as_json: bool,
    utc: bool = False,
) -> None:
    """Print rows as a table of these columns, or as JSON Lines with all their fields."""
    if as_json:
        for row in rows:
            json_line(row)
        sys.stdout.buffer.flush()
    else:
        print_table([Column(c) if isinstance(c, str) else c for c in columns], rows, utc=utc)
