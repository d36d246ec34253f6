"""`tocsin suppressions`: addresses that are not mailed."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.output import CliError, listing, print_note, print_text
from service.cli.support.times import iso
from service.settings import load

if TYPE_CHECKING:
    from service.model.suppression import Suppression

app = typer.Typer(add_completion=False, no_args_is_help=True)
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="An address.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for whoever looks later.")]


@app.callback()
def suppressions() -> None:
    """Addresses that are not mailed. They are kept as hashes: an address can be looked up, but not listed."""


@app.command("list")
def show(
    *,
    address: Annotated[str, typer.Option(help="Only this one. Exit code 1 when it is mailed.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Every suppression, newest first: why, since when, and until when."""
    rows = asyncio.run(_rows(address))
    if address and not rows:
        raise CliError("this address is not suppressed")
    listing(("address_key", "reason", "since", "until", "detail"), rows, as_json=as_json)


@app.command()
def add(*, address: Address, reason: Why = "") -> None:
    """Stop mail to an address, but for mandatory types. The audit keeps who did it and why."""
    asyncio.run(_change(address, stop=True, why=reason))
    print_text("suppressed")


@app.command()
def remove(*, address: Address, reason: Why = "") -> None:
    """Allow mail to an address again, and forget its soft bounces."""
    if not asyncio.run(_change(address, stop=False, why=reason)):
        print_note("the address was not suppressed")
    print_text("mailed again")


async def _rows(address: str) -> list[dict[str, Any]]:
    from service.adapters.redis.operate.suppressions import suppressions as every
    from service.bootstrap import bootstrap
    from service.model.ids import address_key

    parts = bootstrap(load())
    try:
        if address:
            row = await parts.tables.suppression(address)
            found = [(address_key(address), row)] if row else []
        else:
            found = [pair async for pair in every(parts.store)]
    finally:
        await parts.store.close()
    now = parts.clock.now_ms()
    standing = [pair for pair in found if pair[1].in_force(now)]
    return [_shown(key, row) for key, row in sorted(standing, key=lambda pair: -pair[1].at_ms)]


def _shown(key: str, row: "Suppression") -> dict[str, Any]:
    return {
        "address_key": key,
        "reason": row.reason.value,
        "since": iso(row.at_ms),
        "until": iso(row.until_ms) if row.until_ms else None,
        "detail": row.detail,
    }


async def _change(address: str, *, stop: bool, why: str) -> bool:
    """Write the row between two records of the audit, so that nothing is done unseen."""
    from service.cli.support.operator_session import operator_session
    from service.model.address import check_address
    from service.model.ids import address_key
    from service.model.mask import mask_text
    from service.model.operation import OperationKind, OperationPhase, pseudonym
    from service.model.reasons import Reason
    from service.model.record import Message

    try:
        check_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ADDRESS") from error
    async with operator_session() as at:
        parts, action = at.parts, OperationKind.suppress if stop else OperationKind.unsuppress
        trail = at.trail(action, {"address": pseudonym(address), "reason": mask_text(why)[:300]})
        writer = parts.table_writer(at.producer)
        await trail.write(OperationPhase.begun, {})
        changed = True
        if stop:
            told = f"by {trail.operator}: {why}" if why else f"by {trail.operator}"
            await writer.suppress(address, Reason.by_operator, told)
        else:
            changed = await writer.unsuppress(address)
            key = address_key(address)
            await at.producer.publish([Message(parts.topics.soft_bounces, key.encode(), None)])
            await parts.scores.clear(key)
        await trail.write(OperationPhase.ended, {"changed": int(changed)})
        return changed
