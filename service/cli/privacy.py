"""`tocsin privacy`: export or erase the data of a person."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from service.cli.support.cells import plural
from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import CliError, json_line, print_note, print_wrapped
from service.cli.support.record_view import printable_value
from service.cli.support.times import iso
from service.model.operation import OperationKind, OperationPhase, pseudonym
from service.model.record import Record

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.pipeline.operate.data_subject import DataSubject, DeliveryRef
    from service.pipeline.operate.privacy import PrivacyPorts

app = typer.Typer(add_completion=False, no_args_is_help=True)
_NOUNS = {
    "recipients": "recipient",
    "contacts": "contact",
    "groups": "group",
    "suppressions": "suppression",
    "unsubscribes": "unsubscribe",
    "inbox": "inbox entry",
    "ledger": "ledger entry",
    "due": "due delivery",
    "stopped": "stopped delivery",
    "kafka": "Kafka record",
}
Recipient = Annotated[str, typer.Argument(metavar="RECIPIENT", help="A recipient's id, or a contact's uuid.")]
Address = Annotated[
    str, typer.Option(help="Every recipient and contact with this address, and its entries in groups.")
]


@app.callback()
def privacy() -> None:
    """Export or erase the data of a person."""


@app.command()
def export(
    *,
    recipient: Recipient = "",
    address: Address = "",
    out: Annotated[
        Path | None, typer.Option(help="Write to this file, with mode 0600; default: stdout.")
    ] = None,
) -> None:
    """Export the data of a person as JSON: rows, inbox, ledger, due set and records in Kafka."""
    import uvloop

    _check(recipient, address)
    document = uvloop.run(_export(recipient, address))
    if out is None:
        json_line(document)
        return
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2) + b"\n")
    print_wrapped(f"{out}: {_listed(_sums(document)) or 'no data'}", hanging="  ")


@app.command()
def erase(
    *,
    recipient: Recipient = "",
    address: Address = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Erase a person's rows, inbox and pending deliveries, and replace the recipient in the ledger.

    Records in Kafka expire with the retention of their topics. Suppressions are kept, as hashes.
    """
    import uvloop

    _check(recipient, address)
    uvloop.run(_erase(recipient, address, dry_run=dry_run, yes=yes, as_json=as_json))


def _check(recipient: str, address: str) -> None:
    if bool(recipient) == bool(address):
        raise typer.BadParameter("give either RECIPIENT or --address")


async def _export(recipient: str, address: str) -> dict[str, Any]:
    from service.pipeline.operate.privacy import export as export_person

    async with operator_session() as session:
        person = await _person(session, recipient, address)
        records = [record async for record in _records(session, person)]
        document = await export_person(person, _delivery_refs(session, records), _ports(session))
        document["kafka"] = [_row(record) for record in records]
        log = session.operation_log(OperationKind.export, {"person": pseudonym(recipient or address)})
        await log.write(OperationPhase.ended, _sums(document))
    return document


async def _erase(recipient: str, address: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from service.pipeline.operate.privacy import Eraser
    from service.pipeline.operate.privacy import export as export_person

    async with operator_session() as session:
        person = await _person(session, recipient, address)
        refs = _delivery_refs(session, [record async for record in _records(session, person)])
        stored = _sums(await export_person(person, refs, _ports(session)))
        print_note(f"stored: {_listed(stored) or 'no data'}")
        if dry_run:
            print_note("nothing was done")
            return
        confirm("Erase this data? This cannot be undone.", yes=yes)
        log = session.operation_log(OperationKind.erase, {"person": pseudonym(recipient or address)})
        # Recorded before anything is erased: an erasure that is cut off still has its record.
        await log.write(OperationPhase.begun, stored)
        counts = await Eraser(_ports(session))(person, refs)
        await log.write(OperationPhase.ended, counts)
    if as_json:
        json_line(counts)
    else:
        print_wrapped(_listed(counts) or "there was no data to erase", hanging="  ")


async def _person(session: "OperatorSession", recipient: str, address: str) -> "DataSubject":
    from service.pipeline.operate.data_subject import NAMED, SubjectFinder

    if reason := await session.parts.tables.incomplete():
        raise CliError(reason)
    topics = session.parts.topics
    finder = SubjectFinder(topics, recipient=recipient, address=address)
    async for record in session.read(*(topics.table(name) for name in NAMED)):
        finder.read(record)
    return finder.subject()


async def _records(session: "OperatorSession", person: "DataSubject") -> AsyncIterator[Record]:
    """Yield the person's records in Kafka, within the retention of their topics."""
    topics = session.parts.topics
    keys = {id_.encode() for id_ in person.ids}
    async for record in session.read(*sorted(topics.dispatches()), topics.outcomes, topics.dead_letter):
        if record.key in keys:
            yield record


def _delivery_refs(session: "OperatorSession", records: list[Record]) -> "list[DeliveryRef]":
    """Return the deliveries that these records are about, each once."""
    from service.pipeline.operate.data_subject import DeliveryRef

    topics = session.parts.topics
    refs = {
        ref.delivery: ref
        for record in records
        if (ref := DeliveryRef.from_record(record, topics)) is not None
    }
    return list(refs.values())


def _ports(session: "OperatorSession") -> "PrivacyPorts":
    from service.adapters.redis.operate.personal_data import RedisPersonalData
    from service.pipeline.operate.privacy import PrivacyPorts

    parts = session.parts
    return PrivacyPorts(
        tables=parts.tables,
        ledger=parts.ledger,
        inbox=parts.inbox,
        due=parts.due,
        personal=RedisPersonalData(parts.store, parts.ledger, parts.clock),
        writer=parts.table_writer(session.producer),
        publisher=session.producer,
        topics=parts.topics,
        clock=parts.clock,
        types=[type_.name for type_ in parts.catalogue],
    )


def _row(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": iso(record.timestamp_ms),
        "value": printable_value(record.value),
    }


def _sums(document: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of items of each kind; ids and addresses, which the search used, are not counted."""
    sums = Counter({k: len(v) for k, v in document.items() if k not in ("ids", "addresses")})
    return dict(+sums)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(plural(number, _NOUNS.get(name, name)) for name, number in counts.items())
