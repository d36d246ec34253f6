"""`tocsin dead-letters`: list and show dead letters, redrive them after the cause is fixed, or discard them."""

import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.cells import grouped, plural
from service.cli.support.completion import complete_dead_letter, complete_dead_reason, complete_type
from service.cli.support.dead_letter_view import dead_letter_document, dead_letter_row, print_dead_letter
from service.cli.support.factories import require_topic
from service.cli.support.operator_session import confirm, operator, operator_session
from service.cli.support.output import (
    CliError,
    Utc,
    json_line,
    print_note,
    print_wrapped,
)
from service.cli.support.progress import progress
from service.cli.support.table import Column, Kind, listing
from service.cli.support.times import moment_ms
from service.model.mask import mask_value
from service.model.operation import OperationKind

if TYPE_CHECKING:
    from service.pipeline.operate.dead_letters import DeadLetterFilter, KnownDeadLetter

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")]
All = Annotated[bool, typer.Option("--all", help="Every open dead letter.")]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Ids as `list` prints them.", autocompletion=complete_dead_letter),
]
Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason", help="Only these reason codes; repeatable.", autocompletion=complete_dead_reason
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="Only these notification types; repeatable.", autocompletion=complete_type),
]
Stages = Annotated[list[str] | None, typer.Option("--stage", help="Only from these stages; repeatable.")]
Origins = Annotated[list[str] | None, typer.Option("--topic", help="Only from these topics; repeatable.")]
_COLUMNS = (
    Column("id", Kind.id, priority=9, narrow=25),
    Column("time", Kind.time, priority=6),
    Column("state", Kind.state, priority=8),
    Column("reason", priority=8, narrow=15),
    Column("type", priority=7),
    Column("stage", priority=4, narrow=7),
    Column("topic", Kind.id, priority=3),
    Column("detail", priority=5, narrow=16),
)
_COUNTS = (
    Column("reason", priority=9),
    Column("stage", priority=7),
    Column("type", priority=8),
    Column("letters", Kind.number, priority=9, heading="dead letters"),
)
Since = Annotated[str, typer.Option(help="Only dead letters since then: 10m (ago), or a time.")]


@app.callback()
def dead_letters() -> None:
    """List, show, redrive and discard dead letters: records that no retry can help."""


@app.command("list")
def list_dead_letters(
    *,
    reason: Reasons = None,
    type_name: Types = None,
    stage: Stages = None,
    topic: Origins = None,
    since: Since = "",
    state: Annotated[
        list[str] | None, typer.Option(help="Only open, redriven or discarded ones; default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of dead letters to list, the newest.")] = 100,
    utc: Utc = False,
    as_json: Json = False,
) -> None:
    """List the newest dead letters with their status, oldest first."""
    import uvloop

    chosen = _filter(None, since, reasons=reason, types=type_name, stages=stage, topics=topic, states=state)
    newest, total = uvloop.run(_list(chosen, limit))
    listing(_COLUMNS, map(dead_letter_row, newest), as_json=as_json, utc=utc)
    if not as_json:
        shown = f", the newest {len(newest)} are listed" if total > len(newest) else ""
        print_note(f"{plural(total, 'dead letter')}{shown}")


@app.command()
def show(
    *,
    id_: Annotated[
        str,
        typer.Argument(metavar="ID", help="The id as `list` prints it.", autocompletion=complete_dead_letter),
    ],
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    utc: Utc = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter: its reason, its headers and its original bytes."""
    import uvloop

    _filter([id_])
    known = uvloop.run(_find(id_))
    dead_letter, document = known.dead_letter, dead_letter_document(known)
    if not show_personal:
        document = mask_value(document)
    if as_json:
        json_line(document)
        return
    print_dead_letter(dead_letter, document, utc=utc)


@app.command()
def redrive(
    *,
    ids: Ids = None,
    reason: Reasons = None,
    type_name: Types = None,
    stage: Stages = None,
    topic: Origins = None,
    since: Since = "",
    every: All = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write originals back to their topics, byte for byte. Fix the catalogue, template or data first."""
    chosen = _filter(ids, since, reasons=reason, types=type_name, stages=stage, topics=topic)
    _apply(OperationKind.redrive, _checked(chosen, every=every), dry_run, yes, as_json)


@app.command()
def discard(
    *,
    ids: Ids = None,
    reason: Reasons = None,
    type_name: Types = None,
    stage: Stages = None,
    topic: Origins = None,
    since: Since = "",
    every: All = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Mark dead letters as discarded. Nothing is deleted: `show` finds them until Kafka's retention ends."""
    chosen = _filter(ids, since, reasons=reason, types=type_name, stages=stage, topics=topic)
    _apply(OperationKind.discard, _checked(chosen, every=every), dry_run, yes, as_json)


def _filter(ids: list[str] | None, since: str = "", **fields: list[str] | None) -> "DeadLetterFilter":
    """Return the filter of the options. Raise typer.BadParameter for what is no id or no time."""
    from service.pipeline.operate.dead_letters import DeadLetterFilter

    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0
    values = {name: frozenset(chosen or ()) for name, chosen in fields.items()}
    try:
        return DeadLetterFilter(frozenset(ids or ()), since_ms=since_ms, **values)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ID") from error


def _checked(chosen: "DeadLetterFilter", *, every: bool) -> "DeadLetterFilter":
    """Return the filter of a change. Raise typer.BadParameter unless it has either ids or filters, or `every`."""
    from service.pipeline.operate.dead_letters import DeadLetterFilter

    if chosen.ids and (every or chosen != DeadLetterFilter(chosen.ids)):
        raise typer.BadParameter("give either ids or filters, not both", param_hint="ID")
    if chosen.is_empty and not every:
        raise typer.BadParameter("give ids, filters or --all", param_hint="ID")
    return chosen


def _apply(kind: OperationKind, chosen: "DeadLetterFilter", dry_run: bool, yes: bool, as_json: bool) -> None:
    import uvloop

    uvloop.run(_run(kind, chosen, dry_run, yes, as_json))


async def _run(
    kind: OperationKind, chosen: "DeadLetterFilter", dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Count, ask, act and print the result. Dead letters are read again to act on: the question takes time."""
    from service.pipeline.operate.dead_letters import STATUS_NAMES, UnknownDeadLetter

    async with operator_session() as session:
        dead_letters = session.services.dead_letters
        try:
            with progress("reading dead letters"):
                survey = await dead_letters.survey(chosen)
        except UnknownDeadLetter as error:
            raise _unknown(error) from error
        rows = [
            {"reason": r, "stage": s, "type": t, "letters": n}
            for (r, s, t), n in sorted(survey.counts.items())
        ]
        if not as_json or dry_run:
            listing(_COUNTS, rows, as_json=as_json)
        if survey.closed:
            print_note(f"{grouped(survey.closed)} already redriven or discarded, skipped")
        if dry_run or not survey.total:
            total = plural(survey.total, "dead letter")
            print_note(f"{total} would be {STATUS_NAMES[kind]}; nothing was done")
            return
        for topic in survey.topics if kind is OperationKind.redrive else ():
            await require_topic(session.connection, topic)
        confirm(f"{kind.value.capitalize()} {plural(survey.total, 'dead letter')}?", yes=yes)
        with progress("redriving" if kind is OperationKind.redrive else "discarding") as line:
            done = await session.services.change_dead_letters(
                operator(),
                kind,
                chosen,
                survey.total,
                lambda n: line.show(f"{sum(n.values())} of {survey.total}"),
            )
    if as_json:
        json_line(dict(done))
    else:
        print_wrapped(", ".join(f"{grouped(number)} {name}" for name, number in done.items()), hanging="  ")


async def _find(id_: str) -> "KnownDeadLetter":
    from service.pipeline.operate.dead_letters import UnknownDeadLetter

    async with operator_session() as session:
        try:
            return await session.services.dead_letters.find(id_)
        except UnknownDeadLetter as error:
            raise _unknown(error) from error


def _unknown(error: LookupError) -> CliError:
    return CliError(str(error), "`tocsin dead-letters list` lists them")


async def _list(chosen: "DeadLetterFilter", limit: int) -> "tuple[list[KnownDeadLetter], int]":
    """Return the newest `limit` dead letters in order of time, and the number of all that match."""
    total, newest = 0, deque["KnownDeadLetter"](maxlen=limit)
    with progress("reading dead letters") as line:
        async with (
            operator_session() as session,
            aclosing(session.services.dead_letters.select(chosen)) as selected,
        ):
            async for known in selected:
                total += 1
                newest.append(known)
                line.show(f"{total} found")
    return sorted(newest, key=lambda known: known.dead_letter.record.timestamp_ms), total
