"""Rows of a file, one at a time, with the place in the file after each: a million of them in bounded memory."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from service.model.event import InvalidEvent
from service.pipeline.resolve import strict_json

LONGEST_LINE = 64 * 1024
_COLUMNS = frozenset({"id", "address", "name", "locale", "timezone", "roles"})
_ON = {
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
    """How the rows are written."""

    jsonl = "jsonl"
    csv = "csv"


class BadFile(Exception):
    """The file as a whole cannot be imported."""


class Refusal(ValueError):
    """A row that is not imported, and why; never with the row's values."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """After a row: the number of lines, and of bytes, before the next one."""

    line: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ImportRow:
    """`fields` as the file gives them, or a refusal. `line` is where the row begins, counted from 1."""

    line: int
    after: FilePlace
    text: str
    fields: Mapping[str, Any] | Refusal


def rows_of(path: Path, form: Format, begin: FilePlace = FilePlace()) -> Iterator[ImportRow]:
    """The rows from a place on. Raises BadFile for a header that cannot be used, OSError."""
    with path.open("rb") as file:
        yield from _csv(file, begin) if form is Format.csv else _jsonl(file, begin)


class _Lines:
    """Lines with the place after the last one given; one that is too long is cut off and skipped."""

    def __init__(self, file: BinaryIO, begin: FilePlace) -> None:
        self._file = file
        self.place = begin
        file.seek(begin.offset)

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(LONGEST_LINE + 1):
            size, last = len(line), line
            while not last.endswith(b"\n") and (last := self._file.readline(LONGEST_LINE)):
                size += len(last)
            self.place = FilePlace(self.place.line + 1, self.place.offset + size)
            yield line


def _jsonl(file: BinaryIO, begin: FilePlace) -> Iterator[ImportRow]:
    lines = _Lines(file, begin)
    for line in lines:
        value = line.removeprefix(b"\xef\xbb\xbf").strip() if lines.place.line == 1 else line.strip()
        if value:
            text = value[:LONGEST_LINE].decode("utf-8", "backslashreplace")
            yield ImportRow(lines.place.line, lines.place, text, _object(value, len(line)))


def _object(value: bytes, size: int) -> Mapping[str, Any] | Refusal:
    if size > LONGEST_LINE:
        return Refusal(f"longer than {LONGEST_LINE} bytes")
    try:
        document = strict_json.loads(value)
    except InvalidEvent as error:
        return Refusal(f"{error.reason}: {error}")
    return document if isinstance(document, dict) else Refusal("not a JSON object")


def _csv(file: BinaryIO, begin: FilePlace) -> Iterator[ImportRow]:
    columns, first = _header(file)
    lines = _Lines(file, begin if begin.offset else first)
    taken: list[str] = []

    def decoded() -> Iterator[str]:
        for line in lines:
            text = line.decode("utf-8", "surrogateescape")
            taken.append(text)
            yield text

    reader = csv.reader(decoded(), strict=True)
    while True:
        line = lines.place.line + 1
        taken.clear()
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
        yield ImportRow(line, lines.place, _text(taken), fields)


def _text(taken: Sequence[str]) -> str:
    raw = "".join(taken).rstrip("\r\n")[:LONGEST_LINE]
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _header(file: BinaryIO) -> tuple[Sequence[str], FilePlace]:
    line = file.readline(LONGEST_LINE)
    try:
        columns = [name.strip() for name in next(csv.reader([line.decode("utf-8-sig")]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"the header is not CSV in UTF-8: {type(error).__name__}") from error
    if "id" not in columns:
        raise BadFile("the header has no column id")
    if len(set(columns)) != len(columns):
        raise BadFile("the header names a column twice")
    if unknown := [name for name in columns if name not in _COLUMNS and ":" not in name]:
        known = ", ".join(sorted(_COLUMNS))
        raise BadFile(
            f"the header names an unknown column, {unknown[0]!r}; there are {known} and TYPE:CHANNEL"
        )
    return columns, FilePlace(1, len(line))


def _fields(columns: Sequence[str], cells: Sequence[str]) -> Mapping[str, Any] | Refusal:
    """A row's cells under the names of the JSON form; an empty cell is a field left out."""
    if len(cells) != len(columns):
        return Refusal(f"{len(cells)} cells under {len(columns)} columns")
    fields: dict[str, Any] = {}
    preferences: dict[str, bool] = {}
    for name, cell in zip(columns, cells, strict=True):
        if any("\udc80" <= character <= "\udcff" for character in cell):
            return Refusal(f"{name}: not UTF-8")
        if not cell:
            continue
        if name == "roles":
            fields[name] = [role.strip() for role in cell.split(";") if role.strip()]
        elif name in _COLUMNS:
            fields[name] = cell
        elif (on := _ON.get(cell.strip().lower())) is None:
            return Refusal(f"{name}: must be on or off")
        else:
            preferences[name] = on
    return {**fields, "preferences": preferences} if preferences else fields
