"""Rows of an import file: line numbers, refusals, and resumption at any place."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cli.importing.row_reader import MAX_LINE_BYTES, BadFile, FilePlace, Format, Refusal, read_rows
from tests.support.cost_growth import assert_linear

CSV = (
    "id,address,name,roles,overbid:email\r\n"
    'a,a@example.com,"Ann, the\nfirst",admin;ops,off\r\n'
    "\r\n"
    "b,,,,\r\n"
    "c,c@example.com,C,,maybe\r\n"
    "d,only\r\n"
    "e,,,,on"
)


def _write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows"
    path.write_bytes(content)
    return path


def test_csv_rows_have_the_names_of_json(tmp_path: Path) -> None:
    """Quoted cells may hold line ends; empty cells are left out; roles are separated by semicolons."""
    rows = list(read_rows(_write(tmp_path, CSV.encode()), Format.csv))

    assert [row.line for row in rows] == [2, 5, 6, 7, 8]
    assert rows[0].fields == {
        "id": "a",
        "address": "a@example.com",
        "name": "Ann, the\nfirst",
        "roles": ["admin", "ops"],
        "preferences": {"overbid:email": False},
    }
    assert rows[1].fields == {"id": "b"}
    assert str(rows[2].fields) == "overbid:email: must be on, off, or one of instant, hourly, daily, weekly"
    assert str(rows[3].fields) == "2 cells under 5 columns"
    assert rows[4].fields == {"id": "e", "preferences": {"overbid:email": True}}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("22:00-07:00", [{"start": "22:00", "end": "07:00"}]),
        (
            "Mon,Tue 22:00-07:00; 12:00-13:00",
            [
                {"start": "22:00", "end": "07:00", "days": ["mon", "tue"]},
                {"start": "12:00", "end": "13:00"},
            ],
        ),
        ("none", []),
        ("at night", None),
    ],
)
def test_quiet_hours_of_a_cell(tmp_path: Path, cell: str, expected: Any) -> None:
    """Windows are separated by semicolons, each with its days before it; `none` is no quiet hours at all."""
    content = f'id,quiet_hours,overbid:email\na,"{cell}",daily\n'
    (row,) = read_rows(_write(tmp_path, content.encode()), Format.csv)

    if expected is None:
        assert str(row.fields) == "quiet_hours: must be such as 22:00-07:00; sat,sun 07:00-10:00"
    else:
        assert row.fields == {"id": "a", "quiet_hours": expected, "preferences": {"overbid:email": "daily"}}


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    """Spreadsheets write one."""
    for form, content in ((Format.csv, b"\xef\xbb\xbfid\na\n"), (Format.jsonl, b'\xef\xbb\xbf{"id": "a"}\n')):
        assert [row.fields for row in read_rows(_write(tmp_path, content), form)] == [{"id": "a"}]


@pytest.mark.parametrize("header", [b"", b"name,address\n", b"id,id\n", b"id,adress\n", b"id,\xff\n"])
def test_a_header_that_cannot_be_used_stops_at_once(tmp_path: Path, header: bytes) -> None:
    """A misspelt column must not leave a million addresses empty."""
    with pytest.raises(BadFile):
        list(read_rows(_write(tmp_path, header + b"a\n"), Format.csv))


def test_lines_without_a_json_object_are_refused_and_the_next_ones_read(tmp_path: Path) -> None:
    """Invalid JSON, invalid UTF-8, other JSON values, and a line that is too long."""
    bad = [
        b"not json",
        b"[1]",
        b'"x"',
        b'{"id": NaN}',
        b'{"id":"a","id":"b"}',
        b"\xff\xfe",
        b"{" * (3 * MAX_LINE_BYTES),
    ]
    content = b"\n".join([*bad, b"", b'{"id": "good"}'])

    rows = list(read_rows(_write(tmp_path, content), Format.jsonl))

    assert [isinstance(row.fields, Refusal) for row in rows] == [True] * len(bad) + [False]
    assert rows[-1].line == len(bad) + 2
    assert all(len(row.text) <= MAX_LINE_BYTES for row in rows)


def test_cells_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    """A row in another encoding does not affect the other rows."""
    rows = list(read_rows(_write(tmp_path, b"id,name\na,M\xfcller\nb,M\xc3\xbcller\n"), Format.csv))

    assert str(rows[0].fields) == "name: not UTF-8"
    assert rows[1].fields == {"id": "b", "name": "Müller"}


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@pytest.mark.exhaustive
@given(names=st.lists(_CELL, max_size=12), end=st.sampled_from(["\n", "\r\n"]))
def test_reading_resumes_at_the_place_after_any_row(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], end: str
) -> None:
    """From any place, exactly the remaining rows are read, with the same line numbers."""
    lines = ["id,name", *(f'{n},"{name.replace(chr(34), chr(34) * 2)}"' for n, name in enumerate(names))]
    path = _write(tmp_path_factory.mktemp("rows"), end.join(lines).encode())

    rows = list(read_rows(path, Format.csv))

    assert len(rows) == len(names)
    for n, row in enumerate(rows):
        assert list(read_rows(path, Format.csv, row.after)) == rows[n + 1 :]


def test_the_beginning_is_a_place(tmp_path: Path) -> None:
    """A new import begins there."""
    path = _write(tmp_path, b'{"id": "a"}\n')

    assert list(read_rows(path, Format.jsonl, FilePlace())) == list(read_rows(path, Format.jsonl))


def test_a_csv_line_that_is_too_long_is_refused_whole(tmp_path: Path) -> None:
    """Cut off, its last cell would be a part of one: a role, or an address, that the file does not hold."""
    long = b"a," + b"x" * MAX_LINE_BYTES + b"\n"
    rows = list(read_rows(_write(tmp_path, b"id,name\n" + long + b"b,B\n"), Format.csv))

    assert [row.line for row in rows] == [2, 3]
    assert str(rows[0].fields).endswith(f"a line is longer than {MAX_LINE_BYTES} bytes")
    assert rows[1].fields == {"id": "b", "name": "B"}


def test_a_quote_that_is_never_closed_takes_a_bounded_part_of_the_file(tmp_path: Path) -> None:
    """The rows behind it are read again, whatever the number of its cells."""
    open_quote = b"a," + b'"x\n",' * (MAX_LINE_BYTES // 4) + b"\n"
    rows = list(read_rows(_write(tmp_path, b"id,name\n" + open_quote + b"b,B\n" * 20_000), Format.csv))

    assert isinstance(rows[0].fields, Refusal)
    assert rows[-1].fields == {"id": "b", "name": "B"}
    assert max(len(row.text) for row in rows) <= MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("file_format", "row"),
    [
        (Format.jsonl, b'{"id": "a", "preferences": {"overbid:email": false}}\n'),
        (Format.jsonl, b"[" * 200 + b"\n"),
        (Format.csv, b'a,"A, the ""first"""\n'),
        (Format.csv, b'a,"A\n'),
        (Format.csv, b'"' * 201 + b"\n"),
    ],
)
def test_a_file_costs_as_much_as_it_is_long(tmp_path: Path, file_format: Format, row: bytes) -> None:
    """Rows that cannot be read cost no more than their length either."""

    def write(size: int) -> Path:
        path = tmp_path / f"{file_format}-{size}"
        path.write_bytes(b"id,name\n" * (file_format is Format.csv) + row * size)
        return path

    assert_linear(write, lambda path: list(read_rows(path, file_format)), size=500)
