"""`tocsin explain`: explain the deliveries of an event or a recipient, and why a recipient got none."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.output import CliError, json_line, print_text, print_wrapped
from service.cli.support.reason_text import reason_line
from service.cli.support.times import iso, moment_ms

if TYPE_CHECKING:
    from service.pipeline.operate.explain import ExplainQuery

app = typer.Typer(add_completion=False)
_INDENT = "    "


@app.command(no_args_is_help=True)
def explain(
    *,
    event: Annotated[str, typer.Option(help="An event's id or key.")] = "",
    source: Annotated[str, typer.Option(help="The event's source; default: every source.")] = "",
    recipient: Annotated[str, typer.Option(help="A recipient's id.")] = "",
    address: Annotated[str, typer.Option(help="An address; explains every recipient that has it.")] = "",
    type_name: Annotated[str, typer.Option("--type", help="Only this notification type.")] = "",
    since: Annotated[str, typer.Option(help="Only deliveries since then: 10m (ago), or a time.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of deliveries per event.")] = 100,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Explain the state of the deliveries of an event or a recipient, and why a recipient was not notified.

    Exit code 1 when the ledger has no such event or delivery.
    """
    import uvloop

    from service.model.mask import mask_value
    from service.pipeline.operate.explain import ExplainQuery

    if recipient and address:
        raise typer.BadParameter("not together with --recipient", param_hint="--address")
    if not (event or recipient or address):
        raise typer.BadParameter("give --event, --recipient or --address")
    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0
    query = ExplainQuery(event, source, recipient, address, type_name, since_ms, limit)
    document = uvloop.run(_explain(query))
    masked = document if show_personal else mask_value(document)
    if as_json:
        json_line(masked)
    else:
        _print(masked)
    if not document["events"]:
        raise CliError(
            "the ledger has no such event" if event else "the ledger has no deliveries of this recipient",
            "`tocsin tail dead-letter --from-beginning --until-end` shows events that were refused"
            if event
            else "",
        )


async def _explain(query: "ExplainQuery") -> dict[str, Any]:
    from service.bootstrap import bootstrap
    from service.settings import load
    from streams.kafka.connection import kafka_connection
    from streams.reader.outcome_log import KafkaOutcomeLog

    settings = load()
    parts = bootstrap(settings)
    outcomes = KafkaOutcomeLog(kafka_connection(settings.kafka), parts.topics.outcomes)
    try:
        return await parts.explain(outcomes)(query)
    finally:
        await parts.store.close()


def _print(document: Mapping[str, Any]) -> None:
    for person in document["people"]:
        _print_person(person)
    for event in document["events"]:
        _print_event(event)
    for problem in document.get("problems", ()):
        since = f" since {iso(problem['since_ms'])}" if problem["since_ms"] else ""
        print_wrapped(f"waits{since}: {problem['sentence']}; {problem['remedy']}", hanging="  ")


def _print_person(person: Mapping[str, Any]) -> None:
    if person["known"]:
        preferences = ", ".join(
            f"{key} {'on' if choice['on'] else 'off'}{_since(choice)}"
            for key, choice in person["preferences"].items()
        )
        roles = f"roles {', '.join(person['roles']) or 'none'}"
        facts = [person["address"] or "no address", roles, *([preferences] if preferences else [])]
    else:
        facts = ["not in the recipients table"]
    print_wrapped(f"{person['recipient']}: {'; '.join([*facts, *_blocks(person)])}", hanging="  ")


def _blocks(person: Mapping[str, Any]) -> Iterator[str]:
    """Yield the suppression and the unsubscribes that block a recipient's mail, each with its time."""
    if suppression := person["suppressed"]:
        yield _suppressed(suppression)
    for name, choice in person["unsubscribed"].items():
        yield f"unsubscribed from {name}{_since(choice)}"


def _suppressed(suppression: Mapping[str, Any]) -> str:
    until = f" until {iso(suppression['until_ms'])}" if "until_ms" in suppression else ""
    return f"suppressed{_since(suppression)}{until}: {reason_line(suppression['reason'])}"


def _since(choice: Mapping[str, Any]) -> str:
    by = f" by {choice['by']}" if choice.get("by") else ""
    return f" since {iso(choice['since_ms'])}{by}" if choice["since_ms"] else by


def _print_event(event: Mapping[str, Any]) -> None:
    head = event["event"]
    print_text("")
    if "type" in head:
        print_text(f"{head['type']}  {head['id']} of {head['source']}  ({head['key']})", "bold")
        times = f"happened {iso(head['time_ms'])}, received {iso(head['received_ms'])}"
        print_wrapped(", ".join(filter(None, (times, head.get("position", "")))), indent="  ")
    else:
        print_text(f"{head['key']}: withdrawn before the event arrived", "bold")
    if "withdrawn_ms" in head:
        print_text(f"  withdrawn by its source at {iso(head['withdrawn_ms'])}")
    for rule in event["audience"]:
        print_text(f"  audience: {_rule(rule)}")
    _print_deliveries(event["deliveries"])
    for missing in event["not_made"]:
        delivery = f"{missing['recipient']}  {missing['channel']}"
        why = f"not notified, {missing['reason']}: {missing['words']}"
        print_wrapped(f"{delivery}  {why}", indent="  ", hanging=_INDENT)
    _print_sums(event["sums"])


def _rule(rule: Mapping[str, Any]) -> str:
    kind = rule["rule"]
    values = (
        f"{name} {value}".removeprefix(f"{kind} ") for name, value in rule.items() if name != "rule" and value
    )
    return f"{kind} {', '.join(values)}"


def _print_deliveries(deliveries: Sequence[Mapping[str, Any]]) -> None:
    """Print each delivery on a line of aligned columns; below it the reason, the rule, the attempts, current blocks."""
    heads = [(d["recipient"], d["channel"], d["state"]) for d in deliveries]
    widths = [max(map(len, column)) for column in zip(*heads, strict=True)]
    for delivery, head in zip(deliveries, heads, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True))
        line = f"{cells}  {iso(delivery['steps'][0]['at_ms'])}"
        print_wrapped(line, indent="  ", hanging=_INDENT)
        for line in _details(delivery):
            print_wrapped(line, indent=_INDENT, hanging=_INDENT + "  ")


def _details(delivery: Mapping[str, Any]) -> Iterator[str]:
    if delivery["reason"]:
        yield reason_line(delivery["reason"])
    last, attempts = delivery["steps"][0], delivery["attempts"]
    reply = " ".join(filter(None, (last.get("relay"), last.get("reply"), last["detail"])))
    facts = (
        f"rule {delivery['found']} {delivery['scope']}".strip(),
        f"{attempts} attempt{'' if attempts == 1 else 's'}" if attempts else "",
        f"next attempt {iso(delivery['next_ms'])}" if delivery["next_ms"] else "",
        reply or delivery["decided"],
    )
    yield "; ".join(filter(None, facts))
    yield from (f"before: {_earlier(step)}" for step in delivery["steps"][1:])
    yield from (f"current: {block}" for block in _current_blocks(delivery))


def _earlier(step: Mapping[str, Any]) -> str:
    """Return an earlier state with its time, reason, relay and reply."""
    reply = " ".join(filter(None, (step.get("relay"), step.get("reply"), step["detail"])))
    return "; ".join(filter(None, (f"{step['state']} {iso(step['at_ms'])}", step["reason"], reply)))


def _current_blocks(delivery: Mapping[str, Any]) -> Iterator[str]:
    """Yield what would block the same delivery now."""
    stopped = delivery["stopped"] or {}
    if "suppressed" in stopped:
        yield _suppressed(stopped["suppressed"])
    if "unsubscribed" in stopped:
        yield f"unsubscribed{_since(stopped['unsubscribed'])}"
    if (choice := delivery["preference"]) and not choice["on"]:
        yield f"preference off{_since(choice)}"


def _print_sums(sums: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{n} {state}" for state, n in {**sums["final"], **sums["open"]}.items())
    equal = "=" if sums["balanced"] else "≠"
    print_text(
        f"  {sums['resolved']} deliveries to {sums['recipients']} recipients {equal} {counts or 'none'}"
    )
