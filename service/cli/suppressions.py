"""`tocsin suppressions`: list, add and remove suppressed addresses."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.operator_session import operator, operator_session
from service.cli.support.output import CliError, Utc, print_note, print_text
from service.cli.support.table import Column, Kind, listing
from service.cli.support.times import iso

if TYPE_CHECKING:
    from service.model.blocks.suppression import Suppression

app = typer.Typer(add_completion=False, no_args_is_help=True)
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="An email address.")]
_COLUMNS = (
    Column("address_key", Kind.id, priority=9, narrow=13),
    Column("reason", priority=8, narrow=17),
    Column("since", Kind.time, priority=7),
    Column("until", Kind.time, priority=6),
    Column("detail", priority=4),
)
Why = Annotated[str, typer.Option("--reason", help="Why; kept in the operation log.")]


@app.callback()
def suppressions() -> None:
    """List, add and remove suppressed addresses. Only hashes are stored: an address can be looked up, not listed."""


@app.command("list")
def list_suppressions(
    *,
    address: Annotated[
        str, typer.Option(help="Only this address; exit code 1 when it is not suppressed.")
    ] = "",
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """List the suppressions with reason, start and end, newest first."""
    rows = asyncio.run(_rows(address))
    if address and not rows:
        raise CliError("this address is not suppressed")
    listing(_COLUMNS, rows, as_json=as_json, utc=utc)


@app.command()
def add(*, address: Address, reason: Why = "") -> None:
    """Send no mail to an address, except of mandatory types. The operation log keeps operator and reason."""
    asyncio.run(_change(address, suppress=True, why=reason))
    print_text("suppressed")


@app.command()
def remove(*, address: Address, reason: Why = "") -> None:
    """Allow mail to an address again, and clear its soft-bounce score."""
    if not asyncio.run(_change(address, suppress=False, why=reason)):
        print_note("the address was not suppressed")
    print_text("no longer suppressed")


async def _rows(address: str) -> list[dict[str, Any]]:
    async with operator_session() as session:
        suppressions = session.services.suppressions
        if not address:
            return [_row(*one) for one in await suppressions.all()]
        found = await suppressions.find(address)
        return [_row(*found)] if found else []


def _row(key: str, suppression: "Suppression") -> dict[str, Any]:
    return {
        "address_key": key,
        "reason": suppression.reason.value,
        "since": iso(suppression.at_ms),
        "until": iso(suppression.until_ms) if suppression.until_ms else None,
        "detail": suppression.detail,
    }


async def _change(address: str, *, suppress: bool, why: str) -> bool:
    """Write or delete the suppression; return False when there was none to delete. Raise Unavailable."""
    from service.model.address import check_address

    try:
        check_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ADDRESS") from error
    async with operator_session() as session:
        return await session.services.change_suppression(operator(), address, why, suppress=suppress)
