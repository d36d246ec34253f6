"""`tocsin dead-letters`: what no retry can help, listed, shown, sent back after mending, or set aside."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.dead_letter_query import STATES, DeadLetterFilter, open_parts, row_of, select
from service.cli.support.factories import require_topic
from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import json_line, listing, print_note, print_text
from service.model.dead_letter import DeadLetter
from service.model.mask import mask_value
from service.model.operation import OperationKind, OperationPhase

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.pipeline.operate.audit_log import DeadLetterStatus

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="JSON Lines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")]
Every = Annotated[bool, typer.Option("--all", help="All that are open.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `list` shows them.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only these reason codes.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only these notification types.")]
Stages = Annotated[list[str] | None, typer.Option("--stage", help="Only from these stages.")]
Origins = Annotated[list[str] | None, typer.Option("--topic", help="Only from these topics.")]
Since = Annotated[str, typer.Option(help="Died since then: 10m ago, or a time.")]


@app.callback()
def dead_letters() -> None:
    """List, show, redrive and discard dead letters."""


@app.command("list")
def show_all(
    *,
    reason: Reasons = None,
    type_name: Types = None,
    stage: Stages = None,
    topic: Origins = None,
    since: Since = "",
    state: Annotated[
        list[str] | None, typer.Option(help="open, redriven or discarded; all, unless given.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: Json = False,
) -> None:
    """The newest dead letters, oldest first, with what became of them."""
    import uvloop

    asked = _asked(None, reason=reason, type=type_name, stage=stage, topic=topic, state=state, since=since)
    found, total = uvloop.run(_list(asked, limit))
    columns = ("id", "time", "state", "reason", "type", "stage", "topic", "detail")
    listing(columns, (row_of(letter, fate) for letter, fate in found), as_json=as_json)
    if not as_json:
        more = f", the newest {len(found)} are shown" if total > len(found) else ""
        print_note(f"{total} dead letters{more}")


@app.command()
def show(
    *,
    name: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Json = False,
) -> None:
    """One dead letter: why it died, its headers, and its original bytes."""
    import uvloop

    (letter, fate), *_ = uvloop.run(_named([name]))
    document = {
        **row_of(letter, fate),
        "key": None if letter.record.key is None else letter.record.key.decode("utf-8", "backslashreplace"),
        "headers": {name: (v or b"").decode("utf-8", "backslashreplace") for name, v in letter.headers},
        "value": None
        if letter.record.value is None
        else letter.record.value.decode("utf-8", "backslashreplace"),
    }
    if not show_personal:
        document = mask_value(document)
    if as_json:
        json_line(document)
        return
    headers: Mapping[str, str] = document.pop("headers")
    value = document.pop("value")
    for field, told in document.items():
        print_text(f"{field:<10} {told}")
    for field, told in headers.items():
        print_text(f"header     {field}: {told}")
    print_text("no value" if value is None else f"{len(letter.record.value or b'')} bytes")
    if value is not None:
        print_text(value)


@app.command()
def redrive(
    *,
    ids: Ids = None,
    reason: Reasons = None,
    type_name: Types = None,
    stage: Stages = None,
    topic: Origins = None,
    since: Since = "",
    every: Every = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write originals back to where they came from, byte for byte; after the catalogue or the data is mended."""
    fields = {"reason": reason, "type": type_name, "stage": stage, "topic": topic}
    _act(OperationKind.redrive, _meant(ids, since=since, every=every, **fields), dry_run, yes, as_json)


@app.command()
def discard(
    *,
    ids: Ids = None,
    reason: Reasons = None,
    type_name: Types = None,
    stage: Stages = None,
    topic: Origins = None,
    since: Since = "",
    every: Every = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Set dead letters aside for good. Nothing is deleted: they can be shown for as long as Kafka keeps them."""
    fields = {"reason": reason, "type": type_name, "stage": stage, "topic": topic}
    _act(OperationKind.discard, _meant(ids, since=since, every=every, **fields), dry_run, yes, as_json)


def _asked(ids: Sequence[str] | None, since: str = "", **fields: Sequence[str] | None) -> DeadLetterFilter:
    return DeadLetterFilter(
        frozenset(ids or ()), {name: values for name, values in fields.items() if values}, since
    )


def _meant(
    ids: Sequence[str] | None, *, since: str, every: bool, **fields: Sequence[str] | None
) -> DeadLetterFilter:
    """What is to be changed: it has to be named."""
    asked = _asked(ids, since, **fields)
    if asked.ids and (asked.fields or since or every):
        raise typer.BadParameter("either ids or filters, not both", param_hint="ID")
    if not (asked.ids or asked.fields or since or every):
        raise typer.BadParameter("name ids or filters, or say --all", param_hint="ID")
    return asked


def _act(action: OperationKind, asked: DeadLetterFilter, dry_run: bool, yes: bool, as_json: bool) -> None:
    import uvloop

    uvloop.run(_run(action, asked, dry_run, yes, as_json))


async def _run(
    action: OperationKind, asked: DeadLetterFilter, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Say what it would be, ask, do it, say what it was. Letters are read again when they are acted on."""
    from service.pipeline.operate.redrive import CHUNK

    async with operator_session() as at:
        counts, topics, left = await _survey(at, asked)
        total = sum(counts.values())
        rows = [{"reason": r, "stage": s, "type": t, "letters": n} for (r, s, t), n in sorted(counts.items())]
        if not as_json or dry_run:
            listing(("reason", "stage", "type", "letters"), rows, as_json=as_json)
        if left:
            print_note(f"{left} were redriven or discarded before; they are left alone")
        if dry_run or not total:
            print_note(f"{total} letters would be {STATES[action]}; nothing was done")
            return
        for topic in topics if action is OperationKind.redrive else ():
            await require_topic(at.connection, topic)
    confirm(f"{total} letters: {action.value}?", yes=yes)
    async with operator_session(sorted(topics)) as at:
        done = await _do(at, action, asked, total, CHUNK)
    if as_json:
        json_line(done)
    else:
        print_text(", ".join(f"{number} {name}" for name, number in done.items()))


async def _do(
    at: "OperatorSession", action: OperationKind, asked: DeadLetterFilter, total: int, size: int
) -> dict[str, int]:
    from service.pipeline.operate.redrive import Redriver, discard

    parts, trail = at.parts, at.trail(action, asked.told())
    await trail.write(OperationPhase.begun, {"letters": total})
    work = Redriver(parts.ledger, at.producer, parts.topics, parts.clock)
    counts: Counter[str] = Counter()
    async for part in open_parts(at, asked, size):
        if action is OperationKind.redrive:
            counts += await work(part, trail)
        else:
            await discard(part, trail)
            counts["discarded"] += len(part)
    await trail.write(OperationPhase.ended, counts)
    return dict(counts)


async def _survey(
    at: "OperatorSession", asked: DeadLetterFilter
) -> tuple[Counter[tuple[str, str, str]], set[str], int]:
    """Open letters by reason, stage and type; where they go; how many are meant that are not open."""
    counts: Counter[tuple[str, str, str]] = Counter()
    topics: set[str] = set()
    left = 0
    async with aclosing(select(at, asked)) as letters:
        async for letter, fate in letters:
            if fate is None:
                counts[letter.reason, letter.stage, letter.type] += 1
                topics.add(letter.topic)
            else:
                left += 1
    return counts, topics, left


async def _named(ids: Sequence[str]) -> "list[tuple[DeadLetter, DeadLetterStatus | None]]":
    async with operator_session() as at:
        return [pair async for pair in select(at, DeadLetterFilter(frozenset(ids), {}))]


async def _list(
    asked: DeadLetterFilter, limit: int
) -> "tuple[list[tuple[DeadLetter, DeadLetterStatus | None]], int]":
    total, newest = 0, deque[tuple[DeadLetter, "DeadLetterStatus | None"]](maxlen=limit)
    async with operator_session() as at:
        async for pair in select(at, asked):
            total += 1
            newest.append(pair)
    return sorted(newest, key=lambda pair: pair[0].record.timestamp_ms), total
