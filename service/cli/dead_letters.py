"""`tocsin dead-letters`: list and show dead letters, redrive them after the cause is fixed, or discard them."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.dead_letter_query import (
    STATUS_NAMES,
    DeadLetterFilter,
    dead_letter_row,
    open_chunks,
    select,
)
from service.cli.support.factories import require_topic
from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import json_line, print_note, print_text
from service.cli.support.table import listing
from service.model.dead_letter import DeadLetter
from service.model.mask import mask_value
from service.model.operation import OperationKind, OperationPhase

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.pipeline.operate.audit_log import DeadLetterStatus

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")]
All = Annotated[bool, typer.Option("--all", help="Every open dead letter.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids as `list` prints them.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only these reason codes; repeatable.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only these notification types; repeatable.")]
Stages = Annotated[list[str] | None, typer.Option("--stage", help="Only from these stages; repeatable.")]
Origins = Annotated[list[str] | None, typer.Option("--topic", help="Only from these topics; repeatable.")]
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
    as_json: Json = False,
) -> None:
    """List the newest dead letters with their status, oldest first."""
    import uvloop

    fields = {"reason": reason, "type": type_name, "stage": stage, "topic": topic, "state": state}
    newest, total = uvloop.run(_list(_filter(None, since, **fields), limit))
    columns = ("id", "time", "state", "reason", "type", "stage", "topic", "detail")
    rows = (dead_letter_row(dead_letter, status) for dead_letter, status in newest)
    listing(columns, rows, as_json=as_json)
    if not as_json:
        shown = f", the newest {len(newest)} are listed" if total > len(newest) else ""
        print_note(f"{total} dead letters{shown}")


@app.command()
def show(
    *,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id as `list` prints it.")],
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter: its reason, its headers and its original bytes."""
    import uvloop

    (dead_letter, status), *_ = uvloop.run(_fetch([id_]))
    document = _document(dead_letter, status)
    if not show_personal:
        document = mask_value(document)
    if as_json:
        json_line(document)
        return
    headers: Mapping[str, str] = document.pop("headers")
    value = document.pop("value")
    for name, field in document.items():
        print_text(f"{name:<10} {field}")
    for name, header in headers.items():
        print_text(f"header     {name}: {header}")
    size = len(dead_letter.record.value or b"")
    if dead_letter.partial:
        whole = "a batch that cannot be read" if dead_letter.size is None else f"{dead_letter.size} bytes"
        print_text(f"the first {size} bytes of {whole}; the whole is in {dead_letter.topic}")
    else:
        print_text("no value" if value is None else f"{size} bytes")
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
    every: All = False,
    dry_run: Dry = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write originals back to their topics, byte for byte. Fix the catalogue, template or data first."""
    fields = {"reason": reason, "type": type_name, "stage": stage, "topic": topic}
    _apply(OperationKind.redrive, _selection(ids, since=since, every=every, **fields), dry_run, yes, as_json)


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
    fields = {"reason": reason, "type": type_name, "stage": stage, "topic": topic}
    _apply(OperationKind.discard, _selection(ids, since=since, every=every, **fields), dry_run, yes, as_json)


def _document(dead_letter: DeadLetter, status: "DeadLetterStatus | None") -> dict[str, Any]:
    key, value = dead_letter.record.key, dead_letter.record.value
    return {
        **dead_letter_row(dead_letter, status),
        "key": None if key is None else _decode(key),
        "headers": {name: _decode(header or b"") for name, header in dead_letter.headers},
        "value": None if value is None else _decode(value),
        **({"partial": True, "size": dead_letter.size} if dead_letter.partial else {}),
    }


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _filter(ids: Sequence[str] | None, since: str = "", **fields: Sequence[str] | None) -> DeadLetterFilter:
    return DeadLetterFilter(
        frozenset(ids or ()), {name: values for name, values in fields.items() if values}, since
    )


def _selection(
    ids: Sequence[str] | None, *, since: str, every: bool, **fields: Sequence[str] | None
) -> DeadLetterFilter:
    """Return the filter of a change. Raise typer.BadParameter unless it has either ids or filters, or `every`."""
    filter_ = _filter(ids, since, **fields)
    if filter_.ids and (filter_.fields or since or every):
        raise typer.BadParameter("give either ids or filters, not both", param_hint="ID")
    if not (filter_.ids or filter_.fields or since or every):
        raise typer.BadParameter("give ids, filters or --all", param_hint="ID")
    return filter_


def _apply(kind: OperationKind, filter_: DeadLetterFilter, dry_run: bool, yes: bool, as_json: bool) -> None:
    import uvloop

    uvloop.run(_run(kind, filter_, dry_run, yes, as_json))


async def _run(
    kind: OperationKind, filter_: DeadLetterFilter, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Count, ask, act and print the result. Dead letters are read again to act on: the question takes time."""
    from service.pipeline.operate.redrive import CHUNK

    async with operator_session() as session:
        counts, topics, closed = await _survey(session, filter_)
        total = sum(counts.values())
        rows = [{"reason": r, "stage": s, "type": t, "letters": n} for (r, s, t), n in sorted(counts.items())]
        if not as_json or dry_run:
            listing(("reason", "stage", "type", "letters"), rows, as_json=as_json)
        if closed:
            print_note(f"{closed} are already redriven or discarded and are skipped")
        if dry_run or not total:
            print_note(f"{total} dead letters would be {STATUS_NAMES[kind]}; nothing was done")
            return
        for topic in topics if kind is OperationKind.redrive else ():
            await require_topic(session.connection, topic)
    confirm(f"{kind.value.capitalize()} {total} dead letters?", yes=yes)
    async with operator_session(sorted(topics)) as session:
        done = await _act(session, kind, filter_, total, CHUNK)
    if as_json:
        json_line(done)
    else:
        print_text(", ".join(f"{number} {name}" for name, number in done.items()))


async def _act(
    session: "OperatorSession", kind: OperationKind, filter_: DeadLetterFilter, total: int, size: int
) -> dict[str, int]:
    from service.pipeline.operate.redrive import Redriver, discard
    from streams.reader.fetch_at import KafkaRecordLog

    parts, log = session.parts, session.operation_log(kind, filter_.document())
    # Recorded before anything is done: a change that is cut off still has its record.
    await log.write(OperationPhase.begun, {"letters": total})
    redriver = Redriver(
        parts.ledger, session.producer, KafkaRecordLog(session.connection), parts.topics, parts.clock
    )
    counts: Counter[str] = Counter()
    async for chunk in open_chunks(session, filter_, size):
        if kind is OperationKind.redrive:
            counts += await redriver(chunk, log)
        else:
            await discard(chunk, log)
            counts["discarded"] += len(chunk)
    await log.write(OperationPhase.ended, counts)
    return dict(counts)


async def _survey(
    session: "OperatorSession", filter_: DeadLetterFilter
) -> tuple[Counter[tuple[str, str, str]], set[str], int]:
    """Return open dead letters by reason, stage and type, the topics they came from, and the number not open."""
    counts: Counter[tuple[str, str, str]] = Counter()
    topics: set[str] = set()
    closed = 0
    async with aclosing(select(session, filter_)) as selected:
        async for dead_letter, status in selected:
            if status is None:
                counts[dead_letter.reason, dead_letter.stage, dead_letter.type] += 1
                topics.add(dead_letter.topic)
            else:
                closed += 1
    return counts, topics, closed


async def _fetch(ids: Sequence[str]) -> "list[tuple[DeadLetter, DeadLetterStatus | None]]":
    async with operator_session() as session:
        return [pair async for pair in select(session, DeadLetterFilter(frozenset(ids), {}))]


async def _list(
    filter_: DeadLetterFilter, limit: int
) -> "tuple[list[tuple[DeadLetter, DeadLetterStatus | None]], int]":
    """Return the newest `limit` dead letters in order of time, and the number of all that match."""
    total, newest = 0, deque[tuple[DeadLetter, "DeadLetterStatus | None"]](maxlen=limit)
    async with operator_session() as session:
        async for pair in select(session, filter_):
            total += 1
            newest.append(pair)
    return sorted(newest, key=lambda pair: pair[0].record.timestamp_ms), total
