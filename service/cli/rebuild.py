"""`tocsin rebuild`: refill an empty Redis from Kafka, or print what is in it."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.output import CliError, json_line, listing, print_note

if TYPE_CHECKING:
    from service.bootstrap import Parts
    from service.ports import TableCount
    from streams.reader.rebuild import RebuildReport

app = typer.Typer()


@app.command()
def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also where Redis is not empty: what is there stays, what is missing is added."
        ),
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Only print what is in Redis now, and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Refill an empty Redis: tables, suppressions, inboxes with what was read, the ledger, withdrawals, due mail.

    Stages may run; they send nothing until it is done. Ends with the rows and a checksum of each table.
    """
    import uvloop

    if checksums:
        _show(uvloop.run(_sums()), as_json)
        return
    uvloop.run(_check(force))
    if not yes and not typer.confirm("Refill Redis from Kafka? Nothing is sent meanwhile.", err=True):
        raise typer.Exit(1)
    done = uvloop.run(_rebuild())
    for topic, records in done.refused.items():
        print_note(f"{records} records of {topic} were passed over: they mean nothing")
    if as_json:
        json_line({"read": dict(done.read), "refused": dict(done.refused)})
    _show(done.sums, as_json)


def _parts() -> "Parts":
    from service.bootstrap import bootstrap
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
    """Raises Failure where a rebuild was not what this Redis needs."""
    from service.adapters.redis.operate.inventory import holds_rows
    from streams.reader.rebuild import UNDER_WAY

    parts = _parts()
    try:
        reason = await parts.tables.incomplete()
        if force or reason == UNDER_WAY:
            return
        if reason is None:
            raise CliError(
                "Redis is complete, so nothing needs to be rebuilt",
                "--force adds what is missing, if anything is",
            )
        if await holds_rows(parts.store):
            raise CliError(
                "Redis is neither complete nor empty: part of its data was lost, or was written by something else",
                "empty it with FLUSHALL, or keep what is there and add the rest with --force",
            )
    finally:
        await parts.store.close()


async def _rebuild() -> "RebuildReport":
    from service.cli.support.factories import kafka_of
    from streams.reader.rebuild import rebuild as refill

    parts = _parts()
    try:
        return await refill(parts, kafka_of(parts.settings), _Progress())
    finally:
        await parts.store.close()


class _Progress:
    """A line on a terminal that says how far it is; nothing elsewhere."""

    def __call__(self, what: str, read: int, left: int) -> None:
        if sys.stderr.isatty():
            line = f"{what}: {read:,} records read, about {left:,} left"
            sys.stderr.write(f"\r{line:<78}" + ("" if left else "\n"))
            sys.stderr.flush()


def _show(sums: "Sequence[TableCount]", as_json: bool) -> None:
    listing(("table", "rows", "checksum"), map(asdict, sums), as_json=as_json)
