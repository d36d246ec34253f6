"""`tocsin keys`: API keys of services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.factories import kafka_of, require_topic
from service.cli.support.output import CliError, json_line, listing, print_note, print_text
from service.cli.support.times import iso
from service.settings import load

if TYPE_CHECKING:
    from service.model.access import ApiKey
    from service.pipeline.tables.writer import TableWriter
    from service.ports import Clock

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="JSON.")]


@app.callback()
def keys() -> None:
    """Create, list and revoke the API keys of services."""


@app.command()
def create(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, for people.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="What it allows: tables, events, operate; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    row, text = asyncio.run(_create(name, [one for given in scope or ["events"] for one in given.split(",")]))
    if as_json:
        json_line({**_shown(row), "key": text})
    else:
        print_text(text)
        print_note(f"key {row.id} of {row.name}, for {', '.join(row.scopes)}; it is not shown again")


@app.command("list")
def show(*, as_json: Json = False) -> None:
    """Every key, revoked ones too; never their secrets."""
    rows = asyncio.run(_all())
    listing(("id", "name", "scopes", "created", "revoked"), map(_shown, rows), as_json=as_json)


@app.command()
def revoke(*, key: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")]) -> None:
    """Let a key open nothing any more."""
    row = asyncio.run(_revoke(key))
    print_text(f"{row.id} of {row.name} is revoked")


async def _create(name: str, scopes: list[str]) -> "tuple[ApiKey, str]":
    from service.pipeline.tables.credentials import create_key

    async with _writing() as (writer, clock):
        try:
            return await create_key(writer, clock, name, scopes)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--scope") from error


async def _revoke(key: str) -> "ApiKey":
    from service.pipeline.tables.credentials import revoke_key

    async with _writing() as (writer, clock):
        try:
            return await revoke_key(writer, clock, key)
        except KeyError as error:
            raise CliError(f"there is no key {key}", "`tocsin keys list` shows them") from error


async def _all() -> "list[ApiKey]":
    from service.adapters.redis.client import Store
    from service.adapters.redis.tables.credentials import RedisApiKeys

    store = Store(load().redis)
    try:
        return list(await RedisApiKeys(store).all())
    finally:
        await store.close()


@asynccontextmanager
async def _writing() -> "AsyncIterator[tuple[TableWriter, Clock]]":
    """The writer that the API uses: the topic first, then Redis."""
    from service.bootstrap import bootstrap
    from streams.producer.producer import Producer

    settings = load()
    parts = bootstrap(settings)
    connection = kafka_of(settings)
    producer = Producer(connection, timeout_s=10.0)
    try:
        await require_topic(connection, parts.topics.table("api-keys"))
        yield parts.table_writer(producer), parts.clock
    finally:
        await producer.stop()
        await parts.store.close()


def _shown(row: "ApiKey") -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": " ".join(row.scopes),
        "created": iso(row.created_ms),
        "revoked": iso(row.revoked_ms) if row.revoked_ms else None,
    }
