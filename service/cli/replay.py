"""`tocsin replay`: send failed deliveries again, after the cause is fixed."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import json_line, print_note, print_text
from service.cli.support.table import listing
from service.cli.support.times import moment_ms
from service.model.channels import Channel
from service.model.ledger import State
from service.model.operation import OperationKind, OperationPhase, pseudonym

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.pipeline.operate.replay import PlannedReplay, ReplayCandidates, ReplayFilter

app = typer.Typer(add_completion=False)
Texts = list[str] | None


@app.command(no_args_is_help=True)
def replay(
    *,
    event: Annotated[Texts, typer.Option(help="Only these events, by id or key; repeatable.")] = None,
    source: Annotated[Texts, typer.Option(help="Only events of these sources; repeatable.")] = None,
    type_name: Annotated[
        Texts, typer.Option("--type", help="Only these notification types; repeatable.")
    ] = None,
    recipient: Annotated[Texts, typer.Option(help="Only these recipient ids; repeatable.")] = None,
    channel: Annotated[
        Texts, typer.Option(help=f"Only this channel: {' or '.join(Channel)}; repeatable.")
    ] = None,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Only these current states; default: failed, or waiting for an operator."),
    ] = None,
    relay: Annotated[Texts, typer.Option(help="Only deliveries that these relays replied to.")] = None,
    reply_code: Annotated[Texts, typer.Option(help="Only these reply codes: 550, or 5.1.1.")] = None,
    reason: Annotated[Texts, typer.Option(help="Only these reason codes; repeatable.")] = None,
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
    async with operator_session() as session:
        counts, delivered, lost = await _survey(session, filter_)
        total = sum(counts.values())
        rows = [
            {"state": s, "reason": r, "channel": c, "deliveries": n}
            for (s, r, c), n in sorted(counts.items())
        ]
        if dry_run or not as_json:
            listing(("state", "reason", "channel", "deliveries"), rows, as_json=as_json)
        if delivered:
            print_note(f"{delivered} are already sent or delivered and are skipped; --again sends them too")
        if lost:
            print_note(
                f"{lost} cannot be replayed: they have no record on a dispatch topic, or it is past retention"
            )
        if dry_run or not total:
            print_note(f"{total} deliveries would be replayed; nothing was done")
            return
        confirm(f"Replay {total} deliveries at {rate:g} per second?", yes=yes)
        done = await _replay(session, filter_, rate, total)
    if as_json:
        json_line(done)
    else:
        print_text(", ".join(f"{number} {name}" for name, number in done.items()))


async def _survey(
    session: "OperatorSession", filter_: "ReplayFilter"
) -> tuple[Counter[tuple[str, str, str]], int, int]:
    """Return the counts by state, reason and channel, the number delivered, and the number without a record."""
    candidates = await _candidates(session, filter_)
    counts: Counter[tuple[str, str, str]] = Counter()
    async with aclosing(_planned(session, candidates)) as plan:
        async for _, outcome in plan:
            counts[outcome.state, outcome.reason, outcome.channel] += 1
    return counts, len(candidates.delivered), len(candidates.latest)


async def _replay(
    session: "OperatorSession", filter_: "ReplayFilter", rate: float, total: int
) -> dict[str, int]:
    """Replay what matches now and return the counts: it is read again, because the question takes time."""
    from service.pipeline.operate.replay import Pacer, Replayer

    parts, log = session.parts, session.operation_log(OperationKind.replay, _logged(filter_, rate))
    # Recorded before anything is sent: a replay that is cut off still has its record.
    await log.write(OperationPhase.begun, {"deliveries": total})
    replayer = Replayer(
        parts.catalogue,
        parts.ledger,
        parts.due,
        session.producer,
        topics=parts.topics,
        clock=parts.clock,
    )
    pacer = Pacer(rate, asyncio.get_running_loop().time)
    counts: Counter[str] = Counter()
    batch: list[PlannedReplay] = []

    async def flush() -> None:
        await pacer.wait(len(batch))
        counts.update(await replayer(batch, filter_.replay, log))
        batch.clear()

    async with aclosing(_planned(session, await _candidates(session, filter_))) as plan:
        async for planned in plan:
            batch.append(planned)
            if len(batch) >= pacer.batch:
                await flush()
    if batch:
        await flush()
    await log.write(OperationPhase.ended, counts)
    return dict(counts)


async def _candidates(session: "OperatorSession", filter_: "ReplayFilter") -> "ReplayCandidates":
    from service.pipeline.operate.replay import ReplayCandidates

    candidates = ReplayCandidates(filter_)
    async for record in session.read(session.parts.topics.outcomes, since_ms=filter_.since_ms):
        candidates.read(record)
    return candidates


async def _planned(
    session: "OperatorSession", candidates: "ReplayCandidates"
) -> "AsyncGenerator[PlannedReplay, None]":
    from service.pipeline.operate.replay import plan_replay

    if not candidates.latest:
        return
    async for record in session.read(*sorted(session.parts.topics.dispatches())):
        if (planned := plan_replay(candidates, record)) is not None:
            yield planned


def _logged(filter_: "ReplayFilter", rate: float) -> dict[str, Any]:
    """Return the filter for the operation log, with pseudonyms instead of recipients."""
    fields = {
        name: sorted(map(str, value)) if isinstance(value, frozenset) else value
        for name, value in asdict(filter_).items()
        if value
    }
    if filter_.recipients:
        fields["recipients"] = sorted(map(pseudonym, filter_.recipients))
    return fields | {"rate": rate}
