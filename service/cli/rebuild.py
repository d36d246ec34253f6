"""`tocsin rebuild`: refill an empty Redis from Kafka, or print the checksums of its tables."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.cells import grouped, plural
from service.cli.support.output import CliError, json_line, print_note
from service.cli.support.progress import progress
from service.cli.support.table import Column, Kind, listing

if TYPE_CHECKING:
    from service.bootstrap.parts import Parts
    from service.ports import TableCount
    from streams.reader.rebuild import RebuildReport

app = typer.Typer(add_completion=False)
_COLUMNS = (
    Column("table", priority=9),
    Column("rows", Kind.number, priority=8),
    Column("checksum", Kind.id, priority=7),
)


@app.command()
def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Rebuild a Redis that is not empty: keep its rows, and add those that are missing.",
        ),
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Only print rows and checksums of the tables in Redis.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Refill an empty Redis: tables, inboxes with read marks, ledger, withdrawals, soft-bounce scores, due set.

    Workers may run; they send nothing until the rebuild is complete. Prints the rows and a checksum of each table.
    """
    import uvloop

    if checksums:
        _print(uvloop.run(_sums()), as_json)
        return
    uvloop.run(_check(force))
    if not yes and not typer.confirm(
        "Refill Redis from Kafka? Nothing is sent until it is complete.", err=True
    ):
        raise typer.Exit(1)
    report = uvloop.run(_rebuild())
    for topic, records in report.refused.items():
        print_note(f"{plural(records, 'record')} of {topic} skipped: not decodable")
    if as_json:
        json_line({"read": dict(report.read), "refused": dict(report.refused)})
    _print(report.sums, as_json)


def _parts() -> "Parts":
    from service.bootstrap.parts import bootstrap
    from service.settings import load

    return bootstrap(load(), rebuilding=True)


async def _sums() -> "Sequence[TableCount]":
    from service.adapters.redis.operate.inventory import inventory

    parts = _parts()
    try:
        return await inventory(parts.store)
    finally:
        await parts.store.close()


async def _check(force: bool) -> None:
    """Raise CliError when Redis needs no rebuild, or holds rows already, unless `force`."""
    from service.adapters.redis.operate.inventory import holds_rows
    from service.ports import CATCHING_UP, FILLING, REBUILDING

    parts = _parts()
    try:
        reason = await parts.tables.incomplete()
        if force or reason == REBUILDING:
            return
        if reason is None:
            raise CliError(
                "Redis is complete: there is nothing to rebuild",
                "--force adds rows that are missing nevertheless",
            )
        if reason in (CATCHING_UP, FILLING):
            raise CliError(reason, "start a worker, or rebuild all the same with --force")
        if await holds_rows(parts.store):
            raise CliError(
                "Redis is neither complete nor empty: it has lost a part of its data, or holds data of another system",
                "empty it with FLUSHALL, or keep its rows and add the missing ones with --force",
            )
    finally:
        await parts.store.close()


async def _rebuild() -> "RebuildReport":
    from service.cli.support.factories import kafka_connection
    from streams.reader.rebuild import rebuild as refill

    parts = _parts()
    try:
        with progress("rebuilding") as line:

            def show(step: str, read: int, left: int) -> None:
                line.show(f"{step}, {plural(read, 'record')} read, about {grouped(left)} left")

            return await refill(parts, kafka_connection(parts.settings), show)
    finally:
        await parts.store.close()


def _print(sums: "Sequence[TableCount]", as_json: bool) -> None:
    listing(_COLUMNS, map(asdict, sums), as_json=as_json)
