"""A record as one line: aligned columns that fit a terminal, or every field in a pipe."""

from collections.abc import Mapping

from service.cli.support.output import console, terminal_width
from service.cli.support.reason_text import reason_line
from service.cli.support.record_view import RecordView, texts
from service.cli.support.table import Column, Kind, Table
from service.cli.support.times import iso
from service.model.mask import mask_text, printable
from service.model.reasons import DeadReason, Reason
from service.model.topics import TopicNames

_HEADER_PREFIX = "tocsin-"
_MAX_RECIPIENTS_SHOWN = 3
_COLUMNS = (
    Column("time", priority=9, narrow=8),
    Column("topic", priority=3, narrow=11),
    Column("state", Kind.state, priority=9),
    Column("type", priority=8, narrow=16),
    Column("channel", priority=6, narrow=5, heading=""),
    Column("recipient", Kind.id, priority=8, narrow=12, heading=""),
    Column("text", priority=7, narrow=20),
    Column("event", Kind.id, priority=2, narrow=16),
)
_WANTED = (12, 9, 26, 5, 29, 200, 24)
"""The widths of the columns after the time where a terminal is wide enough: later records are not known."""
_UTC, _TIME_OF_DAY, _SECONDS = slice(0, 24), slice(11, 23), slice(11, 19)
_WIDE = 120


class RecordPrinter:
    """Printer of records as lines. `personal`: addresses are not masked. `utc`: times have their date."""

    def __init__(self, topics: TopicNames, *, personal: bool, utc: bool = False) -> None:
        self._topics = topics
        self._personal = personal
        self._utc = utc
        self._table: Table | None = None
        self._columns_wide = 0
        self._time = _UTC if utc else _TIME_OF_DAY

    def __call__(self, view: RecordView) -> None:
        """Print a record, on a terminal in the columns that its present width allows."""
        columns_wide = terminal_width()
        if columns_wide is None:
            text = view_line(view, self._topics, personal=self._personal, utc=self._utc)
            console().print(printable(text), soft_wrap=True)
            return
        if self._table is None or columns_wide != self._columns_wide:
            self._time = _UTC if self._utc else _TIME_OF_DAY if columns_wide >= _WIDE else _SECONDS
            wanted = (self._time.stop - self._time.start, *_WANTED)
            self._table = Table.of_widths(_COLUMNS, wanted, columns_wide)
            self._columns_wide = columns_wide
        cells = record_cells(view, self._topics, self._time, personal=self._personal)
        line = self._table.styled([printable(cells[column.name]) for column in _COLUMNS])
        console().print(line, soft_wrap=True)


def view_line(view: RecordView, topics: TopicNames, *, personal: bool, utc: bool = False) -> str:
    """Return the record as one line, with the sentence of its reason and with every field that it has."""
    cells = record_cells(view, topics, _UTC if utc else _TIME_OF_DAY, personal=personal)
    fields = (
        f"{cells['topic']:<12}",
        *(cells[n] for n in ("type", "channel", "recipient", "state", "text", "event")),
    )
    return "  ".join(filter(None, (cells["time"], *fields)))


def record_cells(view: RecordView, topics: TopicNames, time: slice, *, personal: bool) -> Mapping[str, str]:
    """Return the fields of a record by the names of the columns; `time` is the part of its RFC 3339 time to show."""
    record = view.record
    detail = _detail(view, topics)
    if not detail and not view.fields:
        detail = str(view.value)
    kind = DeadReason if record.topic == topics.dead_letter else Reason
    cells = {
        "topic": record.topic.removeprefix(topics.prefix).removeprefix("dispatch."),
        "state": view.first("state"),
        "type": view.first("type"),
        "channel": view.first("channel"),
        "recipient": _recipients(view),
        "text": "  ".join(filter(None, (reason_line(view.first("reason"), kind), detail))),
        "event": view.first("event"),
    }
    if not personal:
        cells = {name: mask_text(cell) for name, cell in cells.items()}
    return cells | {"time": iso(record.timestamp_ms)[time]}


def _detail(view: RecordView, topics: TopicNames) -> str:
    """Return where a dead letter comes from, or the relay's reply, detail and address of any other record."""
    body = view.value if isinstance(view.value, dict) else {}
    if view.record.topic == topics.dead_letter:

        def header(name: str, default: str = "?") -> str:
            return view.headers.get(f"{_HEADER_PREFIX}{name}", default)

        origin = ":".join(map(header, ("topic", "partition", "offset")))
        return f"{header('detail', '')} (from {origin}, by {header('stage')})".lstrip()
    if view.record.value is None:
        return "deleted"
    reply = " ".join(texts(body.get("relay"), body.get("reply")))
    # The ledger's detail repeats relay and reply, which the outcome has in fields of their own.
    detail = None if body.get("detail") == reply else body.get("detail")
    return " ".join(texts(detail, body.get("decided"), reply, body.get("address")))


def _recipients(view: RecordView) -> str:
    ids = view.fields.get("recipient", ())
    more = len(ids) - _MAX_RECIPIENTS_SHOWN
    return ",".join(ids[:_MAX_RECIPIENTS_SHOWN]) + (f" and {more} more" if more > 0 else "")
