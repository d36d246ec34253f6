"""`tocsin privacy`: export or erase the data of a person."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from service.cli.support.cells import plural
from service.cli.support.completion import complete_recipient
from service.cli.support.operator_session import confirm, operator_session
from service.cli.support.output import json_line, print_note, print_wrapped
from service.cli.support.progress import progress
from service.cli.support.record_view import printable_value
from service.cli.support.times import iso
from service.model.operation import OperationKind, OperationPhase, pseudonym
from service.model.record import Record

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
Recipient = Annotated[
    str,
    typer.Argument(
        metavar="RECIPIENT", help="A recipient's id, or a contact's uuid.", autocompletion=complete_recipient
    ),
]
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

    from service.pipeline.operate.data_requests import item_counts

    _check(recipient, address)
    document = uvloop.run(_export(recipient, address))
    if out is None:
        json_line(document)
        return
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2) + b"\n")
    print_wrapped(f"{out}: {_listed(item_counts(document)) or 'no data'}", hanging="  ")


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
    from service.pipeline.operate.data_requests import item_counts

    async with operator_session() as session:
        requests = session.services.data_requests
        with progress("reading tables and records"):
            found = await requests.find(recipient, address)
            document = await requests.export(found)
        document["kafka"] = [_row(record) for record in found.records]
        log = session.operation_log(OperationKind.export, {"person": pseudonym(recipient or address)})
        await log.write(OperationPhase.ended, item_counts(document))
    return document


async def _erase(recipient: str, address: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from service.pipeline.operate.data_requests import item_counts

    async with operator_session() as session:
        requests = session.services.data_requests
        with progress("reading tables and records"):
            found = await requests.find(recipient, address)
            stored = item_counts(await requests.export(found))
        print_note(f"stored: {_listed(stored) or 'no data'}")
        if dry_run:
            print_note("nothing was done")
            return
        confirm("Erase this data? This cannot be undone.", yes=yes)
        log = session.operation_log(OperationKind.erase, {"person": pseudonym(recipient or address)})
        # Recorded before anything is erased: an erasure that is cut off still has its record.
        await log.write(OperationPhase.begun, stored)
        counts = await requests.erase(found)
        await log.write(OperationPhase.ended, counts)
    if as_json:
        json_line(counts)
    else:
        print_wrapped(_listed(counts) or "there was no data to erase", hanging="  ")


def _row(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": iso(record.timestamp_ms),
        "value": printable_value(record.value),
    }


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(plural(number, _NOUNS.get(name, name)) for name, number in counts.items())
