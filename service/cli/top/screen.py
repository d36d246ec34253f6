"""The application of `tocsin top`: three tables and a line of what is wrong, drawn again every second."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from service.cli.support.cells import grouped, plural
from service.cli.support.output import STYLES
from service.cli.support.reason_text import reason_line
from service.cli.support.times import age
from service.cli.top.snapshot import Failure, Snapshot
from service.model.mask import mask_text, mask_value, printable
from service.ports import Unavailable

_INTERVAL_S = 1.0
_STAGES = ("stage", "state", "partitions", "lag", "in flight", "oldest", "finished", "worker")
_RELAYS = ("relay", "state", "mails/s", "queued", "in flight", "last reply")
_FAILURES = ("time", "state", "type", "recipient or stage", "reason", "detail")


class Source(Protocol):
    """The data that are shown, and what can be done with a failure."""

    async def snapshot(self) -> Snapshot:
        """Return what is seen now; raise nothing."""

    async def explain(self, failure: Failure) -> Mapping[str, Any]:
        """Return the answer of `explain` for a delivery; empty for a dead letter. Raise Unavailable."""

    async def send_again(self, failure: Failure) -> str:
        """Redrive a dead letter, or replay a delivery; return what was done. Raise Unavailable or LookupError."""


class TopApp(App[None]):
    """The whole screen. Enter explains the failure under the cursor, r sends it again."""

    CSS = """
    #summary, #rates { height: auto; padding: 0 1; }
    #stages, #relays { height: auto; max-height: 12; }
    #failures { height: 1fr; }
    Dialog { align: center middle; }
    Dialog > VerticalScroll { width: 90%; height: auto; max-height: 90%; padding: 1; border: round $primary;
        background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("r", "send_again", "send again"), ("q", "quit", "quit")]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._failures: dict[str, Failure] = {}

    def compose(self) -> ComposeResult:
        """Yield the widgets from top to bottom."""
        yield Static(id="summary")
        yield _table("stages", _STAGES)
        yield _table("relays", _RELAYS)
        yield Static(id="rates")
        yield _table("failures", _FAILURES)
        yield Footer()

    async def on_mount(self) -> None:
        """Draw at once, and then every second."""
        self.query_one("#failures", DataTable).focus()
        await self.redraw()
        self.set_interval(_INTERVAL_S, self.redraw)

    async def redraw(self) -> None:
        """Read and show everything."""
        seen = await self._source.snapshot()
        self.query_one("#summary", Static).update(_summary(seen))
        self.query_one("#rates", Static).update(_rates(seen))
        _fill(self.query_one("#stages", DataTable), _stage_rows(seen))
        _fill(self.query_one("#relays", DataTable), _relay_rows(seen))
        self._failures = {one.key: one for one in seen.failures}
        rows = {one.key: _failure_row(one, seen.now_ms) for one in self._failures.values()}
        _fill(self.query_one("#failures", DataTable), rows)

    async def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Explain the failure of a row."""
        failure = self._failures.get(str(message.row_key.value))
        if failure is None:
            return
        try:
            document = await self._source.explain(failure)
        except Unavailable as error:
            self.notify(printable(error.reason), severity="error")
            return
        self.push_screen(Dialog(_explanation(failure, document)))

    async def action_send_again(self) -> None:
        """Ask whether to send the failure under the cursor again, and do it."""
        table = self.query_one("#failures", DataTable)
        if not table.row_count:
            return
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        failure = self._failures.get(str(key))
        if failure is not None:
            self.push_screen(Dialog(_question(failure), asks=True), lambda yes: self._send(failure, yes))

    async def _send(self, failure: Failure, yes: bool | None) -> None:
        if not yes:
            return
        try:
            done = await self._source.send_again(failure)
        except (Unavailable, LookupError) as error:
            self.notify(printable(str(error)), severity="error")
            return
        self.notify(printable(done))
        await self.redraw()


class Dialog(ModalScreen[bool]):
    """Text over the screen; Escape closes it. If it `asks`, y closes it with the answer yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,n", "answer(False)", "close"),
        ("y", "answer(True)", "yes"),
    ]

    def __init__(self, text: Text, *, asks: bool = False) -> None:
        super().__init__()
        self.text = text
        self._asks = asks

    def compose(self) -> ComposeResult:
        """Yield the text, which scrolls where it is long."""
        with VerticalScroll():
            yield Static(self.text)

    def action_answer(self, yes: bool) -> None:
        """Close it."""
        self.dismiss(yes and self._asks)


def _table(id_: str, columns: Iterable[str]) -> DataTable[Text]:
    table: DataTable[Text] = DataTable(id=id_, cursor_type="row", zebra_stripes=True)
    for column in columns:
        table.add_column(column, key=column)
    return table


def _fill(table: DataTable[Text], rows: Mapping[str, Sequence[Text]]) -> None:
    """Show these rows in their order; the cursor stays on its row."""
    current = None
    if table.row_count:
        current = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
    table.clear()
    for key, cells in rows.items():
        table.add_row(*cells, key=key)
    if current is not None and current in rows:
        table.move_cursor(row=table.get_row_index(current), scroll=False)


def _cell(value: Any, style: str = "") -> Text:
    return Text(printable(mask_text(str(value))), style, no_wrap=True)


def _state(state: str) -> Text:
    return _cell(state, STYLES.get(state, ""))


def _summary(seen: Snapshot) -> Text:
    text = Text()
    waiting = (
        f"; {plural(seen.due.total, 'delivery')} wait, {grouped(seen.due.overdue)} overdue"
        if seen.due
        else ""
    )
    clock = time.strftime("%H:%M:%S", time.gmtime(seen.now_ms / 1000))
    text.append(f"{clock} UTC  {plural(len(seen.workers), 'worker')}{waiting}", "bold")
    if seen.unavailable:
        text.append(f"\n{printable(seen.unavailable)}", "red")
    for problem in seen.problems:
        since = f" {age(problem.since_ms, seen.now_ms)}" if problem.since_ms else ""
        text.append(f"\n{printable(mask_text(problem.sentence))}{since}", "red")
        text.append(f"; {printable(problem.remedy)}")
    return text


def _rates(seen: Snapshot) -> Text:
    text = Text("last minute: ")
    for state, count in sorted(seen.states.items(), key=lambda one: -one[1]):
        text.append(f"{grouped(count)} {state}  ", STYLES.get(state, ""))
    if not seen.states:
        text.append("no outcomes", "dim")
    for name, count in seen.types:
        text.append(f"\n  {grouped(count)} {printable(name)}", "dim")
    return text


def _stage_rows(seen: Snapshot) -> dict[str, list[Text]]:
    return {
        f"{one.worker} {one.stage}": [
            _cell(one.stage),
            _state(one.state.value),
            _cell(sum(map(len, one.partitions.values()))),
            _cell(grouped(one.lag)),
            _cell(grouped(one.in_flight)),
            _cell(f"{one.oldest_unfinished_s:.0f} s" if one.in_flight else ""),
            _cell(grouped(one.finished)),
            _cell(one.worker, "dim"),
        ]
        for worker in seen.workers
        for one in worker.stages
    }


def _relay_rows(seen: Snapshot) -> dict[str, list[Text]]:
    return {
        f"{one.worker} {one.relay}": [
            _cell(one.relay),
            _state(one.state.value),
            _cell(f"{one.rate:.1f}"),
            _cell(grouped(one.queued)),
            _cell(grouped(one.in_flight)),
            _cell(f"{one.replies[0].code} {one.replies[0].text}" if one.replies else one.detail),
        ]
        for worker in seen.workers
        for one in worker.relays
    }


def _failure_row(one: Failure, now_ms: int) -> list[Text]:
    return [
        _cell(age(one.at_ms, now_ms)),
        _state(one.state),
        _cell(one.type),
        _cell(one.recipient),
        _cell(one.reason),
        _cell(one.detail),
    ]


def _question(failure: Failure) -> Text:
    if failure.dead_letter:
        return Text(f"Redrive the dead letter {printable(failure.dead_letter)}?  y / n")
    what = f"{failure.type} to {failure.recipient} by {failure.channel}"
    return Text(f"Replay {printable(mask_text(what))}?  y / n")


def _explanation(failure: Failure, document: Mapping[str, Any]) -> Text:
    """Return the history of a delivery, or what is known of a dead letter."""
    text = Text(f"{printable(mask_text(failure.type))}  {printable(mask_text(failure.recipient))}\n", "bold")
    for event in mask_value(document).get("events", ()):
        for delivery in event["deliveries"]:
            text.append(f"\n{delivery['channel']}  ")
            text.append(delivery["state"], STYLES.get(delivery["state"], ""))
            for step in delivery["steps"]:
                words = (step.get("relay", ""), step.get("reply", ""), step["detail"])
                reply = " ".join(filter(None, (reason_line(step["reason"]), *words)))
                now_ms = time.time_ns() // 1_000_000
                text.append(f"\n  {age(step['at_ms'], now_ms)}  {step['state']}  {printable(reply)}", "dim")
    if failure.dead_letter:
        text.append(printable(mask_text(f"\n{failure.dead_letter}\n{failure.reason}: {failure.detail}")))
    return text
