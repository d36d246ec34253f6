"""`tocsin replay`: send failed deliveries again, after the cause is fixed."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.cells import grouped, plural
from service.cli.support.operator_session import confirm, operator, operator_session
from service.cli.support.options import Channels, Events, Reasons, Recipients, Types
from service.cli.support.output import json_line, print_note, print_wrapped
from service.cli.support.progress import progress
from service.cli.support.table import Column, Kind, listing
from service.cli.support.times import moment_ms
from service.model.ledger import State

if TYPE_CHECKING:
    from service.pipeline.operate.replay import ReplayFilter

app = typer.Typer(add_completion=False)
Texts = list[str] | None
_COLUMNS = (
    Column("state", Kind.state, priority=9),
    Column("reason", priority=8),
    Column("channel", priority=7, narrow=7),
    Column("deliveries", Kind.number, priority=9),
)


@app.command(no_args_is_help=True)
def replay(
    *,
    event: Events = None,
    source: Annotated[Texts, typer.Option(help="Only events of these sources; repeatable.")] = None,
    type_name: Types = None,
    recipient: Recipients = None,
    channel: Channels = None,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Only these current states; default: failed, or waiting for an operator."),
    ] = None,
    relay: Annotated[Texts, typer.Option(help="Only deliveries that these relays replied to.")] = None,
    reply_code: Annotated[Texts, typer.Option(help="Only these reply codes: 550, or 5.1.1.")] = None,
    reason: Reasons = None,
    since: Annotated[str, typer.Option(help="Latest outcome since then: 2h (ago), or a time.")] = "7d",
    until: Annotated[str, typer.Option(help="Latest outcome before then.")] = "",
    rate: Annotated[float, typer.Option(min=0.1, help="Rate limit in deliveries per second.")] = 50.0,
    again: Annotated[
        bool, typer.Option("--again", help="Also send what is already sent or delivered.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send deliveries again, in the bulk lane and with a new deadline. Print the counts and ask first.

    Suppressions, preferences, unsubscribes and withdrawals apply: the email stage checks them before it sends.
    """
    import uvloop

    from service.pipeline.operate.replay import REPLAYABLE, ReplayFilter

    if not_replayable := sorted(set(state or ()) - REPLAYABLE):
        allowed = ", ".join(sorted(REPLAYABLE))
        raise typer.BadParameter(
            f"{not_replayable[0]} cannot be replayed; allowed are {allowed}", param_hint="--state"
        )
    now_ms = time.time_ns() // 1_000_000
    filter_ = ReplayFilter(
        events=frozenset(event or ()),
        sources=frozenset(source or ()),
        types=frozenset(type_name or ()),
        recipients=frozenset(recipient or ()),
        channels=frozenset(channel or ()),
        states=frozenset(state or ()),
        relays=frozenset(relay or ()),
        codes=frozenset(reply_code or ()),
        reasons=frozenset(reason or ()),
        since_ms=moment_ms(since, now_ms, ago=True),
        until_ms=moment_ms(until, now_ms, ago=True) if until else now_ms,
        again=again,
    )
    uvloop.run(_run(filter_, rate, dry_run=dry_run, yes=yes, as_json=as_json))


async def _run(filter_: "ReplayFilter", rate: float, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Count, ask, replay and print the result."""
    async with operator_session() as session:
        with progress("reading outcomes and deliveries"):
            survey = await session.services.replays.survey(filter_)
        rows = [
            {"state": s, "reason": r, "channel": c, "deliveries": n}
            for (s, r, c), n in sorted(survey.counts.items())
        ]
        if dry_run or not as_json:
            listing(_COLUMNS, rows, as_json=as_json)
        if survey.delivered:
            print_note(
                f"{grouped(survey.delivered)} already sent or delivered, skipped; --again sends them too"
            )
        if survey.lost:
            print_note(
                f"{grouped(survey.lost)} without a record on a dispatch topic, or past its retention: not replayed"
            )
        if dry_run or not survey.total:
            print_note(f"{plural(survey.total, 'delivery')} would be replayed; nothing was done")
            return
        confirm(f"Replay {plural(survey.total, 'delivery')} at {rate:g} per second?", yes=yes)
        with progress("replaying") as line:
            done = await session.services.replay(
                operator(),
                filter_,
                rate,
                survey.total,
                lambda n: line.show(f"{sum(n.values())} of {survey.total}"),
            )
    if as_json:
        json_line(dict(done))
    else:
        print_wrapped(", ".join(f"{grouped(number)} {name}" for name, number in done.items()), hanging="  ")
