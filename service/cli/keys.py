"""`tocsin keys`: issue, list and revoke API keys of services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.factories import require_topic
from service.cli.support.operator_session import operator, operator_session
from service.cli.support.output import CliError, Utc, json_line, print_note, print_text
from service.cli.support.table import Column, Kind, listing
from service.cli.support.times import iso
from service.settings import load

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.model.access import ApiKey

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = (
    Column("id", Kind.id, priority=9),
    Column("name", priority=8),
    Column("scopes", priority=7, narrow=8),
    Column("created", Kind.time, priority=5),
    Column("revoked", Kind.time, priority=6),
)


@app.callback()
def keys() -> None:
    """Create, list and revoke the API keys of services."""


@app.command()
def create(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The service that uses the key; free text.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A scope: tables, events or operate; repeatable. Default: events."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a key and print it once: only its hash is stored."""
    scopes = [part for value in scope or ["events"] for part in value.split(",")]
    key, text = asyncio.run(_create(name, scopes))
    if as_json:
        json_line({**_row(key), "key": text})
    else:
        print_text(text)
        print_note(f"key {key.id} of {key.name}, scopes {', '.join(key.scopes)}; it cannot be shown again")


@app.command("list")
def list_keys(*, utc: Utc = False, as_json: Json = False) -> None:
    """List every key, also revoked ones, without secrets."""
    keys = asyncio.run(_all())
    listing(_COLUMNS, map(_row, keys), as_json=as_json, utc=utc)


@app.command()
def revoke(*, id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")]) -> None:
    """Revoke a key: the API refuses it from now on."""
    key = asyncio.run(_revoke(id_))
    print_text(f"{key.id} of {key.name} is revoked")


async def _create(name: str, scopes: list[str]) -> "tuple[ApiKey, str]":
    async with _operator_session() as session:
        try:
            return await session.services.create_key(operator(), name, scopes)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--scope") from error


async def _revoke(id_: str) -> "ApiKey":
    async with _operator_session() as session:
        try:
            return await session.services.revoke_key(operator(), id_)
        except KeyError as error:
            raise CliError(f"there is no key {id_}", "`tocsin keys list` lists them") from error


async def _all() -> "list[ApiKey]":
    from service.adapters.redis.client import Store
    from service.adapters.redis.tables.credentials import RedisApiKeys

    store = Store(load().redis)
    try:
        return list(await RedisApiKeys(store).all())
    finally:
        await store.close()


@asynccontextmanager
async def _operator_session() -> "AsyncIterator[OperatorSession]":
    async with operator_session() as session:
        for topic in (session.parts.topics.table("api-keys"), session.parts.topics.audit):
            await require_topic(session.connection, topic)
        yield session


def _row(key: "ApiKey") -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "created": iso(key.created_ms),
        "revoked": iso(key.revoked_ms) if key.revoked_ms else None,
    }
