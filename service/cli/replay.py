"""`tocsin replay`: send again what was not delivered, after what hindered it is mended."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import json_line, listing, print_note, print_text
from service.cli.support.times import moment_ms
from service.model.catalogue import Lane
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
    event: Annotated[Texts, typer.Option(help="Only these events: their ids or keys.")] = None,
    source: Annotated[Texts, typer.Option(help="Only events of these sources.")] = None,
    type_name: Annotated[Texts, typer.Option("--type", help="Only these notification types.")] = None,
    recipient: Annotated[Texts, typer.Option(help="Only these recipient ids.")] = None,
    channel: Annotated[Texts, typer.Option(help="email or inbox.")] = None,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Only what stands there; what ended undelivered or waits for you, unless given."),
    ] = None,
    relay: Annotated[Texts, typer.Option(help="Only what these relays answered.")] = None,
    reply_code: Annotated[Texts, typer.Option(help="Only these codes: 550, or 5.1.1.")] = None,
    reason: Annotated[Texts, typer.Option(help="Only these reason codes.")] = None,
    since: Annotated[str, typer.Option(help="Where it stands since then: 2h ago, or a time.")] = "7d",
    until: Annotated[str, typer.Option(help="Where it stands since before then.")] = "",
    rate: Annotated[float, typer.Option(min=0.1, help="So many a second.")] = 50.0,
    again: Annotated[bool, typer.Option("--again", help="Also what was sent or delivered.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """Send deliveries again, in the bulk lane, with a new time to live. Says how many, and asks, first.

    Suppressions, preferences, unsubscribes and withdrawals hold: they are looked at again before sending.
    """
    import uvloop

    from service.pipeline.operate.replay import REPLAYABLE, ReplayFilter

    if wrong := sorted(set(state or ()) - REPLAYABLE):
        may = ", ".join(sorted(REPLAYABLE))
        raise typer.BadParameter(f"{wrong[0]} cannot be replayed; {may} can", param_hint="--state")
    now_ms = time.time_ns() // 1_000_000
    wish = ReplayFilter(
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
    uvloop.run(_run(wish, rate, dry_run=dry_run, yes=yes, as_json=as_json))


async def _run(wish: "ReplayFilter", rate: float, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    async with operator_session() as at:
        counts, delivered, lost = await _survey(at, wish)
        total = sum(counts.values())
        rows = [
            {"state": s, "reason": r, "channel": c, "deliveries": n}
            for (s, r, c), n in sorted(counts.items())
        ]
        if dry_run or not as_json:
            listing(("state", "reason", "channel", "deliveries"), rows, as_json=as_json)
        if delivered:
            print_note(f"{delivered} were delivered and are left alone; --again sends them too")
        if lost:
            print_note(
                f"{lost} were never handed to a channel, or are no longer in Kafka, and cannot be replayed"
            )
        if dry_run or not total:
            print_note(f"{total} deliveries would be replayed; nothing was done")
            return
        confirm(f"Replay {total} deliveries at {rate:g} a second?", yes=yes)
        done = await _do(at, wish, rate, total)
    if as_json:
        json_line(done)
    else:
        print_text(", ".join(f"{number} {name}" for name, number in done.items()))


async def _survey(
    at: "OperatorSession", wish: "ReplayFilter"
) -> tuple[Counter[tuple[str, str, str]], int, int]:
    """How many by state, reason and channel; how many were delivered; how many have no record."""
    candidates = await _candidates(at, wish)
    counts: Counter[tuple[str, str, str]] = Counter()
    async with aclosing(_planned(at, candidates)) as plan:
        async for _, standing in plan:
            counts[standing.state, standing.reason, standing.channel] += 1
    return counts, len(candidates.delivered), len(candidates.latest)


async def _do(at: "OperatorSession", wish: "ReplayFilter", rate: float, total: int) -> dict[str, int]:
    """Read again what is meant, since time has passed with the question, and send it."""
    from service.pipeline.operate.replay import Pacer, Replayer

    parts, trail = at.parts, at.trail(OperationKind.replay, _told(wish, rate))
    await trail.write(OperationPhase.begun, {"deliveries": total})
    resend = Replayer(
        parts.catalogue,
        parts.ledger,
        parts.due,
        at.producer,
        topics=parts.topics,
        clock=parts.clock,
    )
    pace = Pacer(rate, asyncio.get_running_loop().time)
    counts: Counter[str] = Counter()
    batch: list[PlannedReplay] = []

    async def flush() -> None:
        await pace.wait(len(batch))
        counts.update(await resend(batch, wish.replay, trail))
        batch.clear()

    async with aclosing(_planned(at, await _candidates(at, wish))) as plan:
        async for one in plan:
            batch.append(one)
            if len(batch) >= pace.batch:
                await flush()
    if batch:
        await flush()
    await trail.write(OperationPhase.ended, counts)
    return dict(counts)


async def _candidates(at: "OperatorSession", wish: "ReplayFilter") -> "ReplayCandidates":
    from service.pipeline.operate.replay import ReplayCandidates

    candidates = ReplayCandidates(wish)
    async for record in at.read(at.parts.topics.outcomes, since_ms=wish.since_ms):
        candidates.read(record)
    return candidates


async def _planned(
    at: "OperatorSession", candidates: "ReplayCandidates"
) -> "AsyncGenerator[PlannedReplay, None]":
    from service.pipeline.operate.replay import plan_replay

    if not candidates.latest:
        return
    topics = at.parts.topics
    async for record in at.read(*(topics.email(lane) for lane in Lane), topics.inbox):
        if (one := plan_replay(candidates, record)) is not None:
            yield one


def _told(wish: "ReplayFilter", rate: float) -> dict[str, Any]:
    """The wish for the audit, which names no persons."""
    given = {
        name: sorted(map(str, value)) if isinstance(value, frozenset) else value
        for name, value in asdict(wish).items()
        if value
    }
    if wish.recipients:
        given["recipients"] = sorted(map(pseudonym, wish.recipients))
    return given | {"rate": rate}
