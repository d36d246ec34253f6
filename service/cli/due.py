"""`tocsin due`: the deliveries that wait for their next attempt, by hour, lane and state."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.cells import plural
from service.cli.support.output import Utc, json_line, print_note, print_text, print_wrapped, time_format
from service.cli.support.table import Column, Kind, print_table
from service.cli.support.times import TimeFormat, iso

if TYPE_CHECKING:
    from service.pipeline.operate.due_hours import DueHours

app = typer.Typer(add_completion=False)
_HOURS = (Column("due", priority=9), Column("deliveries", Kind.number, priority=9))
_GROUPS = (
    Column("state", Kind.state, priority=9),
    Column("lane", priority=8),
    Column("deliveries", Kind.number, priority=9),
)


@app.command()
def due(
    *,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how many deliveries wait: deferred and held ones, by the hour in which they are due."""
    import uvloop

    report = uvloop.run(_due())
    if as_json:
        json_line(report.document())
        return
    times = time_format(utc=utc)
    rows = _rows(report, times)
    if rows:
        print_table(_HOURS, rows)
        print_text("")
        groups = sorted(report.groups.items())
        print_table(_GROUPS, ({"lane": lane, "state": state, "deliveries": n} for (lane, state), n in groups))
    oldest = "" if report.oldest_ms is None else f"; the earliest is due {times(report.oldest_ms)}"
    print_wrapped(f"{plural(report.total, 'delivery')} in the due set{oldest}", hanging="  ")
    if report.overdue:
        print_note(
            "overdue ones are dispatched by the stage `schedule`; `tocsin doctor` says whether it runs"
        )


async def _due() -> "DueHours":
    from service.bootstrap.parts import bootstrap
    from service.pipeline.operate.due_hours import due_hours
    from service.settings import load

    parts = bootstrap(load())
    try:
        return await due_hours(parts.due, parts.clock.now_ms())
    finally:
        await parts.store.close()


def _rows(report: "DueHours", times: TimeFormat) -> list[dict[str, Any]]:
    """Return a row for what is overdue, for each hour in which something is due, and for what is due later."""
    rows = [{"due": "overdue", "deliveries": report.overdue}] if report.overdue else []
    rows += [
        {"due": _span(start, end, times), "deliveries": count}
        for start, end, count in zip(report.bounds_ms, report.bounds_ms[1:], report.hours, strict=False)
        if count
    ]
    return rows + ([{"due": "later", "deliveries": report.later}] if report.later else [])


def _span(start_ms: int, end_ms: int, times: TimeFormat) -> str:
    return f"{iso(start_ms)[11:16]} to {iso(end_ms)[11:16]} UTC, {times(end_ms)}"
