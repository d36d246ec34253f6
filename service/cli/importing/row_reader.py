"""Rows of a file, read one at a time in bounded memory, each with the place in the file after it."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from service.model.event import InvalidEvent
from service.model.holds.calendar import Frequency
from service.pipeline.resolve import strict_json

MAX_LINE_BYTES = 64 * 1024
_COLUMNS = frozenset({"id", "address", "name", "locale", "timezone", "roles", "quiet_hours"})
_WINDOW = re.compile(r"(?:([a-z]{3}(?:,[a-z]{3})*) )?([0-9:]{5})-([0-9:]{5})")
_NO_WINDOWS = "none"
_ON: Mapping[str, bool | str] = {
    **{frequency.value: frequency.value for frequency in Frequency},
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}


class Format(StrEnum):
    """The format of an import file."""

    jsonl = "jsonl"
    csv = "csv"


class BadFile(Exception):
    """The file cannot be imported at all: its header or its checkpoint is wrong."""


class Refusal(ValueError):
    """The reason why a row is refused. It never holds a value of the row, so that it may be shown to anyone."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A place in the file: the number of lines, and of bytes (`offset`), before the next row."""

    line: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row of the file. `line`: where it begins, counted from 1. `fields`: as read, or the refusal."""

    line: int
    after: FilePlace
    text: str
    fields: Mapping[str, Any] | Refusal


def read_rows(path: Path, file_format: Format, begin: FilePlace = FilePlace()) -> Iterator[ImportRow]:
    """Yield the rows from a place on. Raise BadFile when the header cannot be used. Raise OSError."""
    with path.open("rb") as file:
        yield from _csv(file, begin) if file_format is Format.csv else _jsonl(file, begin)


class _Lines:
    """The lines of a file. `place`: after the last line that was yielded. A line that is too long is cut off."""

    def __init__(self, file: BinaryIO, begin: FilePlace) -> None:
        self._file = file
        self.place = begin
        file.seek(begin.offset)

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            size, last = len(line), line
            while not last.endswith(b"\n") and (last := self._file.readline(MAX_LINE_BYTES)):
                size += len(last)
            self.place = FilePlace(self.place.line + 1, self.place.offset + size)
            yield line


def _jsonl(file: BinaryIO, begin: FilePlace) -> Iterator[ImportRow]:
    lines = _Lines(file, begin)
    for line in lines:
        value = line.removeprefix(b"\xef\xbb\xbf").strip() if lines.place.line == 1 else line.strip()
        if value:
            text = value[:MAX_LINE_BYTES].decode("utf-8", "backslashreplace")
            yield ImportRow(lines.place.line, lines.place, text, _object(value, len(line)))


def _object(value: bytes, size: int) -> Mapping[str, Any] | Refusal:
    if size > MAX_LINE_BYTES:
        return Refusal(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        document = strict_json.loads(value)
    except InvalidEvent as error:
        return Refusal(f"{error.reason}: {error}")
    return document if isinstance(document, dict) else Refusal("not a JSON object")


def _csv(file: BinaryIO, begin: FilePlace) -> Iterator[ImportRow]:
    columns, first = _header(file)
    lines = _Lines(file, begin if begin.offset else first)
    row_lines = _RowLines(lines)
    reader = csv.reader(row_lines, strict=True)
    while True:
        line = lines.place.line + 1
        row_lines.begin_row()
        fields: Mapping[str, Any] | Refusal
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fields = Refusal(f"not CSV: {error}")
        else:
            if not cells:
                continue
            fields = _fields(columns, cells)
        yield ImportRow(line, lines.place, row_lines.text(), fields)


class _RowLines:
    """The lines of one CSV row after another. A row that is too long is given up: its quote may never be closed.

    Not a generator, because a generator that raises is at its end, and with it the rest of the file.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = iter(lines)
        self._row: list[str] = []
        self._row_bytes = 0

    def begin_row(self) -> None:
        self._row, self._row_bytes = [], 0

    def __iter__(self) -> "_RowLines":
        return self

    def __next__(self) -> str:
        if self._row_bytes > MAX_LINE_BYTES:
            raise csv.Error(f"a row is longer than {MAX_LINE_BYTES} bytes")
        line = next(self._lines)
        self._row_bytes += len(line)
        text = line.decode("utf-8", "surrogateescape")
        self._row.append(text)
        if len(line) > MAX_LINE_BYTES:  # what is beyond was cut off: its last cell would be a part of one
            raise csv.Error(f"a line is longer than {MAX_LINE_BYTES} bytes")
        return text

    def text(self) -> str:
        """Return the row as it is in the file, as far as it can be shown."""
        raw = "".join(self._row).rstrip("\r\n")[:MAX_LINE_BYTES]
        return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _header(file: BinaryIO) -> tuple[Sequence[str], FilePlace]:
    line = file.readline(MAX_LINE_BYTES)
    try:
        columns = [name.strip() for name in next(csv.reader([line.decode("utf-8-sig")]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"the header is not CSV in UTF-8: {type(error).__name__}") from error
    if "id" not in columns:
        raise BadFile("the header has no column id")
    if len(set(columns)) != len(columns):
        raise BadFile("the header has a column twice")
    if unknown := [name for name in columns if name not in _COLUMNS and ":" not in name]:
        known = ", ".join(sorted(_COLUMNS))
        raise BadFile(
            f"the header has an unknown column, {unknown[0]!r}; allowed are {known} and TYPE:CHANNEL"
        )
    return columns, FilePlace(1, len(line))


def _fields(columns: Sequence[str], cells: Sequence[str]) -> Mapping[str, Any] | Refusal:
    """Return a row's cells under the field names of the JSON format; an empty cell is an absent field."""
    if len(cells) != len(columns):
        return Refusal(f"{len(cells)} cells under {len(columns)} columns")
    fields: dict[str, Any] = {}
    preferences: dict[str, bool | str] = {}
    for name, cell in zip(columns, cells, strict=True):
        if any("\udc80" <= character <= "\udcff" for character in cell):
            return Refusal(f"{name}: not UTF-8")
        if not cell:
            continue
        if name == "roles":
            fields[name] = [role.strip() for role in cell.split(";") if role.strip()]
        elif name == "quiet_hours":
            if (windows := _quiet_hours(cell)) is None:
                return Refusal(f"{name}: must be such as 22:00-07:00; sat,sun 07:00-10:00")
            fields[name] = windows
        elif name in _COLUMNS:
            fields[name] = cell
        elif (on := _ON.get(cell.strip().lower())) is None:
            return Refusal(f"{name}: must be on, off, or one of {', '.join(Frequency)}")
        else:
            preferences[name] = on
    return {**fields, "preferences": preferences} if preferences else fields


def _quiet_hours(cell: str) -> list[dict[str, Any]] | None:
    """Return windows that are separated by semicolons; none for the word `none`, and None for any other text."""
    if cell.strip().lower() == _NO_WINDOWS:
        return []
    windows: list[dict[str, Any]] = []
    for part in cell.split(";"):
        if not (match := _WINDOW.fullmatch(part.strip().lower())):
            return None
        days = {"days": match[1].split(",")} if match[1] else {}
        windows.append({"start": match[2], "end": match[3], **days})
    return windows
