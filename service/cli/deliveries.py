"""`tocsin deliveries list`: deliveries by state, type, recipient, channel, relay, reason and time, newest first."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from service.cli.support.cells import plural
from service.cli.support.operator_session import OperatorSession, operator_session
from service.cli.support.options import Channels, Events, Reasons, Recipients, Types
from service.cli.support.output import Utc, print_note
from service.cli.support.progress import progress
from service.cli.support.table import Column, Kind, listing
from service.cli.support.times import iso, moment_ms
from service.model.ledger import State
from service.model.mask import mask_value

if TYPE_CHECKING:
    from service.model.outcome import Outcome
    from service.pipeline.operate.outcome_filter import OutcomeFilter

app = typer.Typer(add_completion=False, no_args_is_help=True)
_PAGE = 200
_COLUMNS = (
    Column("state", Kind.state, priority=9),
    Column("time", Kind.time, priority=8),
    Column("type", priority=7, narrow=16),
    Column("channel", priority=6, narrow=7),
    Column("recipient", Kind.id, priority=8, narrow=14),
    Column("address", priority=4, narrow=13),
    Column("reason", priority=5, narrow=14),
    Column("relay", priority=3, narrow=6),
    Column("reply", priority=3, narrow=12),
    Column("event_id", Kind.id, priority=2, narrow=14, heading="event"),
)


@app.callback()
def deliveries() -> None:
    """List deliveries by any of their fields."""


@app.command("list")
def list_deliveries(
    *,
    state: Annotated[list[State] | None, typer.Option(help="Only these current states; repeatable.")] = None,
    type_name: Types = None,
    recipient: Recipients = None,
    event: Events = None,
    channel: Channels = None,
    relay: Annotated[list[str] | None, typer.Option(help="Only what these relays replied to.")] = None,
    reason: Reasons = None,
    since: Annotated[str, typer.Option(help="Latest state since then: 2h (ago), or a time.")] = "1d",
    until: Annotated[str, typer.Option(help="Latest state before then.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Number of deliveries to list, the newest.")] = 50,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """List deliveries by their current state, newest first. `tocsin explain` says more about each."""
    import uvloop

    from service.model.validators import MAX_TIME_MS
    from service.pipeline.operate.outcome_filter import OutcomeFilter

    now_ms = time.time_ns() // 1_000_000
    chosen = OutcomeFilter(
        events=frozenset(event or ()),
        types=frozenset(type_name or ()),
        recipients=frozenset(recipient or ()),
        channels=frozenset(channel or ()),
        states=frozenset(state or ()),
        relays=frozenset(relay or ()),
        reasons=frozenset(reason or ()),
        since_ms=moment_ms(since, now_ms, ago=True),
        until_ms=moment_ms(until, now_ms, ago=True) if until else MAX_TIME_MS,
    )
    rows, more = uvloop.run(_list(chosen, limit))
    shown = rows if show_personal else [mask_value(row) for row in rows]
    listing(_COLUMNS, shown, as_json=as_json, utc=utc)
    if not as_json:
        print_note(f"{plural(len(rows), 'delivery')}{', the newest; there are more' if more else ''}")


async def _list(chosen: "OutcomeFilter", limit: int) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows, and whether there are more than the limit."""
    async with operator_session() as session:
        outcomes: list[Outcome] = []
        cursor = ""
        with progress("searching") as line:
            while len(outcomes) < limit:
                wanted = min(limit - len(outcomes), _PAGE)
                page = await session.services.deliveries.page(chosen, wanted, cursor)
                outcomes += page.deliveries
                line.show(f"{len(outcomes)} found, searched back to {iso(page.searched_to_ms)}")
                if not (cursor := page.next):
                    break
        addresses = await _addresses(session, outcomes)
    rows = [_row(one, address) for one, address in zip(outcomes, addresses, strict=True)]
    return rows, bool(cursor)


async def _addresses(session: OperatorSession, outcomes: "Sequence[Outcome]") -> list[str]:
    """Return the address of each recipient, where the tables have one: a pseudonym says little by itself."""
    from service.pipeline.operate.blocks import addresses_of

    by_delivery: dict[str, str] = {}
    for type_name in {one.type for one in outcomes}:
        of_type = [one for one in outcomes if one.type == type_name]
        addresses = await addresses_of(session.parts.tables, of_type, type_name)
        by_delivery |= dict(zip((one.delivery for one in of_type), addresses, strict=True))
    return [by_delivery[one.delivery] for one in outcomes]


def _row(outcome: "Outcome", address: str) -> dict[str, Any]:
    """Return an outcome with its time as RFC 3339 and the recipient's address."""
    fields: dict[str, Any] = orjson.loads(outcome.to_bytes())
    return {**fields, "time": iso(outcome.at_ms), "address": address}
