"""`tocsin what-if`: who would be notified, without notifying anybody."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.option_input import bytes_of
from service.cli.support.output import CliError, json_line, print_text, table
from service.cli.support.times import seconds

if TYPE_CHECKING:
    from service.bootstrap import Parts
    from service.model.event import Event
    from service.pipeline.operate.table_overlay import TableOverlay

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def what_if(
    *,
    event: Annotated[
        str, typer.Option(help="An event as JSON, @FILE, or - for standard input: who would get it?")
    ] = "",
    recipient: Annotated[
        str, typer.Option(help="A recipient's or contact's id: what if they switched --type off, or on?")
    ] = "",
    external_id: Annotated[str, typer.Option(help="A group: what if it listed these for --type?")] = "",
    project_id: Annotated[str, typer.Option(help="The group's project.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="An address of the group; repeatable.")] = None,
    type_name: Annotated[str, typer.Option("--type", help="The notification type of the change.")] = "",
    channel: Annotated[str, typer.Option(help="email or inbox.")] = "email",
    on: Annotated[bool, typer.Option("--on/--off", help="The choice that is tried.")] = False,
    over: Annotated[str, typer.Option(help="How far back events are looked at: 12h, 7d.")] = "1d",
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say who would get an event and by which rule, or what a change would have changed. Nothing is sent.

    Past events are judged by the tables as they are now.
    """
    import uvloop

    from service.model.mask import mask_value

    if sum(map(bool, (event, recipient, external_id))) != 1:
        raise typer.BadParameter("name one of --event, --recipient and --external-id")
    if not event and (not type_name or channel not in ("email", "inbox")):
        raise typer.BadParameter("a change needs --type, and --channel email or inbox")
    change = None
    if recipient:
        change = _choice(recipient, type_name, channel, on=on)
    elif external_id:
        change = _group(external_id, project_id, {type_name: tuple(address or ())})
    document = uvloop.run(_ask(event, change, seconds(over) / 86_400))
    shown = document if show_personal else mask_value(document)
    if as_json:
        json_line(shown)
    elif event:
        _show_event(shown)
    else:
        _show_change(shown)


def _choice(recipient: str, type_name: str, channel: str, *, on: bool) -> "TableOverlay":
    from service.pipeline.operate.table_overlay import preference_change

    return preference_change(recipient, type_name, channel, on=on)


def _group(external_id: str, project_id: str, lists: Mapping[str, tuple[str, ...]]) -> "TableOverlay":
    from service.model.recipient import Group
    from service.pipeline.operate.table_overlay import TableOverlay

    return TableOverlay(groups=[Group(external_id=external_id, project_id=project_id, addresses=lists)])


async def _ask(event: str, change: "TableOverlay | None", days: float) -> dict[str, Any]:
    from service.bootstrap import bootstrap
    from service.cli.support.factories import kafka_of
    from service.settings import load
    from streams.reader.event_log import KafkaEventLog

    settings = load()
    parts = bootstrap(settings)
    what_if = parts.what_if(KafkaEventLog(kafka_of(settings), settings.kafka))
    try:
        if change is None:
            return await what_if.event(_event(event, parts))
        unknown = sorted(name for name in change.types if name not in parts.catalogue)
        if unknown:
            raise CliError(f"there is no type {unknown[0]}", "`tocsin publish --list` shows the types")
        return await what_if.change(change, days)
    finally:
        await parts.store.close()


def _event(given: str, parts: "Parts") -> "Event":
    from service.model.event import Event, InvalidEvent
    from service.pipeline.resolve.ingest import parse

    try:
        event = parse(bytes_of("--event", given), (), parts.catalogue, time.time_ns() // 1_000_000)
    except InvalidEvent as error:
        raise CliError(f"refused: {error.reason}: {error}") from error
    if not isinstance(event, Event):
        raise CliError("a withdrawal notifies nobody")
    return event


def _show_event(document: Mapping[str, Any]) -> None:
    rows = (
        (w["recipient"], w["channel"], f"{w['found']} {w['scope']}".strip(), w["address"], *_said(w))
        for w in document["would"]
    )
    table(("recipient", "channel", "found by", "address", "would be", "reason", "why"), rows)
    counts = ", ".join(f"{n} {state}" for state, n in document["counts"].items())
    print_text(f"{document['event']['type']}: {counts or 'nobody'}")


def _said(verdict: Mapping[str, Any]) -> tuple[str, str, str]:
    return verdict["state"] or "nothing", verdict["reason"], verdict["why"]


def _show_change(document: Mapping[str, Any]) -> None:
    rows = (
        (
            *(one["event"]["id"], one["event"]["type"], one["recipient"], one["channel"]),
            *_said(one["before"])[::2],
            *_said(one["after"])[::2],
        )
        for one in document["differences"]
    )
    table(("event", "type", "recipient", "channel", "now", "why", "then", "why then"), rows)
    counts = document["counts"]
    print_text(f"{document['events']} events: {counts['more']} deliveries more, {counts['fewer']} fewer")
