"""`tocsin privacy`: what is kept of a person, handed over or erased."""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import CliError, json_line, print_note, print_text
from service.cli.support.times import iso
from service.model.catalogue import Lane
from service.model.operation import OperationKind, OperationPhase, pseudonym
from service.model.record import Record

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.pipeline.operate.data_subject import DataSubject, DeliveryRef
    from service.pipeline.operate.privacy import PrivacyPorts

app = typer.Typer(add_completion=False, no_args_is_help=True)
Recipient = Annotated[str, typer.Argument(metavar="RECIPIENT", help="A recipient's id, or a contact's uuid.")]
Address = Annotated[str, typer.Option(help="Everybody who goes by this address, also in lists of groups.")]


@app.callback()
def privacy() -> None:
    """Export or erase what is kept of a person."""


@app.command()
def export(
    *,
    recipient: Recipient = "",
    address: Address = "",
    out: Annotated[
        Path | None, typer.Option(help="A file that only you may read; stdout, unless given.")
    ] = None,
) -> None:
    """Write all that is kept of a person as one JSON document: rows, inbox, ledger, waiting mail, Kafka's records."""
    import uvloop

    _check(recipient, address)
    document = uvloop.run(_export(recipient, address))
    if out is None:
        json_line(document)
        return
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2) + b"\n")
    print_text(
        f"{out}: {', '.join(f'{number} {name}' for name, number in _sums(document).items()) or 'nothing'}"
    )


@app.command()
def erase(
    *,
    recipient: Recipient = "",
    address: Address = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """Erase a person: rows, inbox, waiting mail, and who the ledger's deliveries were for.

    Kafka forgets by itself when the retention of its topics is over. Suppressions stay, as hashes.
    """
    import uvloop

    _check(recipient, address)
    uvloop.run(_erase(recipient, address, dry_run=dry_run, yes=yes, as_json=as_json))


def _check(recipient: str, address: str) -> None:
    if bool(recipient) == bool(address):
        raise typer.BadParameter("name either a RECIPIENT or an --address")


async def _export(recipient: str, address: str) -> dict[str, Any]:
    from service.pipeline.operate.privacy import export as gather

    async with operator_session() as at:
        person = await _person(at, recipient, address)
        records = [record async for record in _records(at, person)]
        document = await gather(person, _traces(at, records), _ports(at))
        document["kafka"] = [_shown(record) for record in records]
        trail = at.trail(OperationKind.export, {"person": pseudonym(recipient or address)})
        await trail.write(OperationPhase.ended, _sums(document))
    return document


async def _erase(recipient: str, address: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from service.pipeline.operate.privacy import Eraser
    from service.pipeline.operate.privacy import export as gather

    async with operator_session() as at:
        person = await _person(at, recipient, address)
        traces = _traces(at, [record async for record in _records(at, person)])
        kept = _sums(await gather(person, traces, _ports(at)))
        print_note(f"kept: {', '.join(f'{number} {name}' for name, number in kept.items()) or 'nothing'}")
        if dry_run:
            print_note("nothing was done")
            return
        confirm("Erase this? It cannot be undone.", yes=yes)
        trail = at.trail(OperationKind.erase, {"person": pseudonym(recipient or address)})
        await trail.write(OperationPhase.begun, kept)
        counts = await Eraser(_ports(at))(person, traces)
        await trail.write(OperationPhase.ended, counts)
    if as_json:
        json_line(counts)
    else:
        print_text(
            ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing was left to erase"
        )


async def _person(at: "OperatorSession", recipient: str, address: str) -> "DataSubject":
    from service.pipeline.operate.data_subject import NAMED, SubjectFinder

    if reason := await at.parts.tables.incomplete():
        raise CliError(reason)
    search = SubjectFinder(at.parts.topics, recipient=recipient, address=address)
    async for record in at.read(*(at.parts.topics.table(name) for name in NAMED)):
        search.read(record)
    return search.subject()


async def _records(at: "OperatorSession", person: "DataSubject") -> Any:
    """Kafka's records of this person, within the retention of their topics."""
    topics = at.parts.topics
    keys = {name.encode() for name in person.ids}
    names = (*(topics.email(lane) for lane in Lane), topics.inbox, topics.outcomes, topics.dead_letter)
    async for record in at.read(*names):
        if record.key in keys:
            yield record


def _traces(at: "OperatorSession", records: list[Record]) -> "list[DeliveryRef]":
    """Each delivery once."""
    from service.pipeline.operate.data_subject import DeliveryRef

    found = {
        trace.delivery: trace
        for record in records
        if (trace := DeliveryRef.from_record(record, at.parts.topics)) is not None
    }
    return list(found.values())


def _ports(at: "OperatorSession") -> "PrivacyPorts":
    from service.adapters.redis.operate.personal import RedisPersonalData
    from service.pipeline.operate.privacy import PrivacyPorts

    parts = at.parts
    return PrivacyPorts(
        tables=parts.tables,
        ledger=parts.ledger,
        inbox=parts.inbox,
        due=parts.due,
        personal=RedisPersonalData(parts.store, parts.ledger, parts.clock),
        writer=parts.table_writer(at.producer),
        publisher=at.producer,
        topics=parts.topics,
        clock=parts.clock,
        types=[row.name for row in parts.catalogue],
    )


def _shown(record: Record) -> dict[str, Any]:
    value: Any = None if record.value is None else record.value.decode("utf-8", "backslashreplace")
    with suppress(orjson.JSONDecodeError):
        value = orjson.loads(record.value or b"")
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": iso(record.timestamp_ms),
        "value": value,
    }


def _sums(document: dict[str, Any]) -> dict[str, int]:
    """How much there is of each kind; ids and addresses are how it was found."""
    sums = Counter({k: len(v) for k, v in document.items() if k not in ("ids", "addresses")})
    return dict(+sums)
