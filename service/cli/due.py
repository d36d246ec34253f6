"""`tocsin due`: what waits until a time, and why; and its release, another time for it, or its cancellation."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.cells import grouped, plural
from service.cli.support.operator_session import OperatorSession, confirm, operator, operator_session
from service.cli.support.options import Events, Reasons, Recipients, Types
from service.cli.support.output import (
    Utc,
    json_line,
    print_note,
    print_text,
    print_wrapped,
    time_format,
)
from service.cli.support.progress import progress
from service.cli.support.table import Column, Kind, listing, print_table
from service.cli.support.times import TimeFormat, iso, moment_ms
from service.model.ledger import State
from service.model.mask import mask_value
from service.model.operation import OperationKind

if TYPE_CHECKING:
    from service.pipeline.operate.due_changes import DueSurvey
    from service.pipeline.operate.due_hours import DueHours
    from service.pipeline.operate.due_list import DueFilter

app = typer.Typer(add_completion=False)
_PAGE = 200
_HOURS = (Column("due", priority=9), Column("deliveries", Kind.number, priority=9))
_GROUPS = (
    Column("state", Kind.state, priority=9),
    Column("lane", priority=8),
    Column("reason", priority=7),
    Column("deliveries", Kind.number, priority=9),
)
_COLUMNS = (
    Column("until", Kind.time, priority=9),
    Column("state", Kind.state, priority=6),
    Column("reason", priority=8, narrow=11),
    Column("type", priority=7, narrow=16),
    Column("recipient", Kind.id, priority=8, narrow=14),
    Column("items", Kind.number, priority=4),
    Column("digest", Kind.id, priority=2, narrow=13),
    Column("delivery", Kind.id, priority=5, narrow=13),
    Column("event_id", Kind.id, priority=3, narrow=14, heading="event"),
)
_COUNTS = (
    Column("state", Kind.state, priority=8),
    Column("reason", priority=9),
    Column("type", priority=8),
    Column("deliveries", Kind.number, priority=9),
)
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Delivery ids as `list` prints them.")]
DeliveryIds = Annotated[list[str] | None, typer.Option("--delivery", help="Only these ids; repeatable.")]
All = Annotated[bool, typer.Option("--all", help="Everything that waits.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
JsonCounts = Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")]


@app.callback(invoke_without_command=True)
def due(
    context: typer.Context,
    *,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how many deliveries wait: deferred and held ones, by the hour in which they are due."""
    import uvloop

    if context.invoked_subcommand:
        return
    report = uvloop.run(_due())
    if as_json:
        json_line(report.document())
        return
    times = time_format(utc=utc)
    rows = _rows(report, times)
    if rows:
        print_table(_HOURS, rows)
        print_text("")
        print_table(_GROUPS, _groups(report))
    oldest = "" if report.oldest_ms is None else f"; the earliest is due {times(report.oldest_ms)}"
    print_wrapped(f"{plural(report.total, 'delivery')} in the due set{oldest}", hanging="  ")
    if report.overdue:
        print_note(
            "overdue ones are dispatched by the stage `schedule`; `tocsin doctor` says whether it runs"
        )


@app.command("list")
def list_waiting(
    *,
    delivery: DeliveryIds = None,
    event: Events = None,
    recipient: Recipients = None,
    type_name: Types = None,
    reason: Reasons = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Number of deliveries to list, the next that are due.")
    ] = 50,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """List what waits, why and until when; a digest with its number of items.

    Items of digests are listed with a delivery, an event or a recipient; else their digest is.
    """
    import uvloop

    chosen = _filter(delivery, event, recipient, type_name, reason)
    rows, more = uvloop.run(_list(chosen, limit, show_personal=show_personal))
    if as_json:
        for row in rows:
            json_line(row)
        return
    shown = [row | {"until": iso(row["until_ms"]) if row["until_ms"] else None} for row in rows]
    listing(_COLUMNS, shown, as_json=False, utc=utc)
    if more:
        print_note(f"there are more; --limit {limit * 10} lists more of them")


@app.command(no_args_is_help=True)
def release(
    *,
    ids: Ids = None,
    event: Events = None,
    recipient: Recipients = None,
    type_name: Types = None,
    reason: Reasons = None,
    all_: All = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: JsonCounts = False,
) -> None:
    """Send what waits now, in quiet hours and over a limit too; an item of a digest alone. Count it and ask first."""
    chosen = _choice(_filter(ids, event, recipient, type_name, reason), all_=all_)
    _change(OperationKind.release, chosen, 0, "Send {} now?", dry_run=dry_run, yes=yes, as_json=as_json)


@app.command(no_args_is_help=True)
def retime(
    *,
    ids: Ids = None,
    at: Annotated[str, typer.Option(help="When it is sent: 2h (from now), or a time.")],
    event: Events = None,
    recipient: Recipients = None,
    type_name: Types = None,
    reason: Reasons = None,
    all_: All = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: JsonCounts = False,
) -> None:
    """Set the time at which what waits is sent, in place of every rule. Count it and ask first."""
    at_ms = moment_ms(at, time.time_ns() // 1_000_000, ago=False)
    chosen = _choice(_filter(ids, event, recipient, type_name, reason), all_=all_)
    question = f"Send {{}} at {iso(at_ms)}?"
    _change(OperationKind.retime, chosen, at_ms, question, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command(no_args_is_help=True)
def cancel(
    *,
    ids: Ids = None,
    event: Events = None,
    recipient: Recipients = None,
    type_name: Types = None,
    reason: Reasons = None,
    all_: All = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: JsonCounts = False,
) -> None:
    """Cancel what waits, a digest with all its items. Count it and ask first."""
    chosen = _choice(_filter(ids, event, recipient, type_name, reason), all_=all_)
    _change(OperationKind.cancel_due, chosen, 0, "Cancel {}?", dry_run=dry_run, yes=yes, as_json=as_json)


def _filter(
    ids: list[str] | None,
    events: list[str] | None,
    recipients: list[str] | None,
    types: list[str] | None,
    reasons: list[str] | None,
) -> "DueFilter":
    from service.pipeline.operate.due_list import DueFilter

    try:
        return DueFilter.of(ids, events, recipients, types, reasons)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ID") from None


def _choice(chosen: "DueFilter", *, all_: bool) -> "DueFilter":
    """Return a filter for a change. Raise typer.BadParameter unless it chooses something, or `all_` everything."""
    if chosen.is_empty is not all_:
        raise typer.BadParameter("needs ids, filters, or --all", param_hint="ID")
    return chosen


async def _list(chosen: "DueFilter", limit: int, *, show_personal: bool) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows, and whether there are more. Record it when addresses are shown. Raise Unavailable."""
    rows, cursor = list[dict[str, Any]](), ""
    async with operator_session() as session:
        if show_personal:
            await session.services.record(operator(), OperationKind.reveal, {"list": "due"})
        while len(rows) < limit:
            page = await session.services.due_list.page(chosen, min(_PAGE, limit - len(rows)), cursor)
            rows += (row.document() for row in page.rows)
            if not (cursor := page.next):
                break
    return rows if show_personal else [mask_value(row) for row in rows], bool(cursor)


def _change(
    kind: OperationKind,
    chosen: "DueFilter",
    at_ms: int,
    question: str,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    import uvloop

    async def run() -> None:
        async with operator_session() as session:
            with progress("reading what waits"):
                survey = await session.services.due_changes.survey(chosen)
            _print_survey(survey, as_json=as_json, dry_run=dry_run)
            if dry_run or not survey.total:
                print_note(f"{plural(survey.total, 'delivery')} would be changed; nothing was done")
                return
            confirm(question.format(plural(survey.total, "delivery")), yes=yes)
            await _run(session, kind, chosen, at_ms, survey.total, as_json=as_json)

    uvloop.run(run())


def _print_survey(survey: "DueSurvey", *, as_json: bool, dry_run: bool) -> None:
    document = survey.document()
    if as_json and dry_run:
        json_line(document)
    elif not as_json:
        listing(_COUNTS, [row | {"deliveries": row["count"]} for row in document["counts"]], as_json=False)
    if survey.items:
        print_note(f"the digests among them have {plural(survey.items, 'item')}")
    for state, number in sorted(survey.others.items()):
        print_note(f"{plural(number, 'delivery')} {state}: not changed")


async def _run(
    session: OperatorSession,
    kind: OperationKind,
    chosen: "DueFilter",
    at_ms: int,
    total: int,
    *,
    as_json: bool,
) -> None:
    with progress("changing") as line:
        done = await session.services.change_due(
            operator(),
            kind,
            chosen,
            at_ms,
            total=total,
            progress=lambda counts: line.show(f"{sum(counts.values())} of {total}"),
        )
    if as_json:
        json_line(dict(done))
    else:
        print_wrapped(", ".join(f"{grouped(number)} {name}" for name, number in done.items()), hanging="  ")


def _groups(report: "DueHours") -> list[dict[str, Any]]:
    """Return a row for each lane and state; of held ones for each reason."""
    rows = [
        {"state": state.value, "lane": lane.value, "reason": None, "deliveries": number}
        for (lane, state), number in sorted(report.groups.items())
        if state is not State.held
    ]
    return rows + [
        {"state": State.held.value, "lane": lane.value, "reason": reason.value, "deliveries": number}
        for (lane, reason), number in sorted(report.held.items())
    ]


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
