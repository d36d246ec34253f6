"""`tocsin explain`: what became of an event or a recipient, and why."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.output import CliError, json_line, print_text, table
from service.cli.support.times import iso, moment_ms

if TYPE_CHECKING:
    from service.pipeline.operate.explain import ExplainQuery

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def explain(
    *,
    event: Annotated[str, typer.Option(help="An event: its id or its key.")] = "",
    source: Annotated[str, typer.Option(help="The event's source; all sources, unless given.")] = "",
    recipient: Annotated[str, typer.Option(help="A recipient's id.")] = "",
    address: Annotated[str, typer.Option(help="Whoever has this address.")] = "",
    type_name: Annotated[str, typer.Option("--type", help="Only this notification type.")] = "",
    since: Annotated[str, typer.Option(help="From then on: 10m ago, or a time.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Deliveries to show at most.")] = 100,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say what became of an event, or of what a recipient was due; also why somebody got nothing.

    Exit code 1 where nothing is known of it.
    """
    import uvloop

    from service.model.mask import mask_value
    from service.pipeline.operate.explain import ExplainQuery

    if recipient and address:
        raise typer.BadParameter("not together with --recipient", param_hint="--address")
    if not (event or recipient or address):
        raise typer.BadParameter("name an --event, a --recipient or an --address")
    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0
    document = uvloop.run(_ask(ExplainQuery(event, source, recipient, address, type_name, since_ms, limit)))
    shown = document if show_personal else mask_value(document)
    if as_json:
        json_line(shown)
    else:
        _show(shown)
    if not document["events"]:
        raise CliError(
            "the ledger knows no such event" if event else "the ledger holds nothing for them",
            "`tocsin tail dead-letter --from-beginning --until-end` shows events that were refused"
            if event
            else "",
        )


async def _ask(ask: "ExplainQuery") -> dict[str, Any]:
    from service.bootstrap import bootstrap
    from service.settings import load

    parts = bootstrap(load())
    try:
        return await parts.explain()(ask)
    finally:
        await parts.store.close()


def _show(document: Mapping[str, Any]) -> None:
    for person in document["people"]:
        _show_person(person)
    for found in document["events"]:
        _show_event(found)


def _show_person(person: Mapping[str, Any]) -> None:
    if not person["known"]:
        print_text(f"{person['recipient']}: {'; '.join(['not in the recipients table', *_stops(person)])}")
        return
    chosen = ", ".join(
        f"{key} {'on' if choice['on'] else 'off'}{_since(choice)}"
        for key, choice in person["preferences"].items()
    )
    parts = [person["address"] or "no address", f"roles {', '.join(person['roles']) or 'none'}", chosen]
    print_text(f"{person['recipient']}: {'; '.join([*filter(None, parts), *_stops(person)])}")


def _stops(person: Mapping[str, Any]) -> Iterator[str]:
    """What stops their mail, and since when."""
    if stopped := person["suppressed"]:
        until = f" until {iso(stopped['until_ms'])}" if "until_ms" in stopped else ""
        yield f"suppressed{_since(stopped)}{until}: {stopped['reason']}"
    for name, choice in person["unsubscribed"].items():
        yield f"unsubscribed from {name}{_since(choice)}"


def _since(choice: Mapping[str, Any]) -> str:
    by = f" by {choice['by']}" if choice.get("by") else ""
    return f" since {iso(choice['since_ms'])}{by}" if choice["since_ms"] else by


def _show_event(found: Mapping[str, Any]) -> None:
    head, sums = found["event"], found["sums"]
    print_text("")
    if "type" in head:
        print_text(f"{head['type']}  {head['id']} of {head['source']}  ({head['key']})", "bold")
        print_text(
            f"  happened {iso(head['time_ms'])}, received {iso(head['received_ms'])}, {head.get('position', '')}"
        )
    else:
        print_text(f"{head['key']}: withdrawn before it came", "bold")
    if "withdrawn_ms" in head:
        print_text(f"  withdrawn by its source, {iso(head['withdrawn_ms'])}")
    for rule in found["audience"]:
        kind = rule["rule"]
        given = (
            f"{name} {value}".removeprefix(f"{kind} ")
            for name, value in rule.items()
            if name != "rule" and value
        )
        print_text(f"  audience: {kind} {', '.join(given)}")
    if found["deliveries"]:
        columns = ("recipient", "channel", "found by", "state", "reason", "since", "attempts", "next", "why")
        table(columns, (_cells(delivery) for delivery in found["deliveries"]))
    for delivery in found["deliveries"]:
        for what in _now(delivery):
            print_text(f"  {delivery['recipient']} by {delivery['channel']}, as it stands now: {what}")
    for one in found["not_made"]:
        print_text(f"  {one['recipient']} not by {one['channel']}: {one['reason']}: {one['words']}")
    counted = ", ".join(f"{n} {state}" for state, n in {**sums["final"], **sums["open"]}.items())
    equal = "=" if sums["balanced"] else "≠"
    print_text(
        f"  {sums['resolved']} deliveries to {sums['recipients']} recipients {equal} {counted or 'none'}"
    )


def _now(delivery: Mapping[str, Any]) -> Iterator[str]:
    """What would stop the same delivery today."""
    stopped = delivery["stopped"] or {}
    if "suppressed" in stopped:
        yield f"suppressed{_since(stopped['suppressed'])}: {stopped['suppressed']['reason']}"
    if "unsubscribed" in stopped:
        yield f"unsubscribed{_since(stopped['unsubscribed'])}"
    if (choice := delivery["preference"]) and not choice["on"]:
        yield f"preference off{_since(choice)}"


def _cells(delivery: Mapping[str, Any]) -> tuple[Any, ...]:
    last = delivery["steps"][0]
    said = " ".join(filter(None, (last.get("relay"), last.get("reply"), last["detail"])))
    return (
        delivery["recipient"],
        delivery["channel"],
        f"{delivery['found']} {delivery['scope']}".strip(),
        delivery["state"],
        delivery["reason"],
        iso(last["at_ms"]),
        delivery["attempts"],
        iso(delivery["next_ms"]) if delivery["next_ms"] else "",
        said or delivery["decided"],
    )
