"""`tocsin what-if`: predict the deliveries of an event, or the effect of a change on past events."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.cells import plural
from service.cli.support.completion import complete_recipient, complete_type
from service.cli.support.option_input import read_input
from service.cli.support.output import CliError, json_line, print_wrapped
from service.cli.support.table import Column, Kind, print_table
from service.cli.support.times import duration_s
from service.model.channels import Channel

if TYPE_CHECKING:
    from service.bootstrap.parts import Parts
    from service.model.event import Event
    from service.pipeline.operate.table_overlay import TableOverlay

app = typer.Typer(add_completion=False)
_CHANNELS = " or ".join(Channel)
_S_PER_DAY = 86_400
_PREDICTED = (
    Column("recipient", Kind.id, priority=9, narrow=14),
    Column("channel", priority=8, narrow=7),
    Column("rule", priority=4),
    Column("address", priority=5),
    Column("state", Kind.state, priority=8),
    Column("reason", priority=6),
    Column("detail", priority=7, narrow=16),
    Column("until", Kind.time, priority=7),
)
_DIFFERENCES = (
    Column("event", Kind.id, priority=7),
    Column("type", priority=6),
    Column("recipient", Kind.id, priority=9),
    Column("channel", priority=8, narrow=7),
    Column("before", Kind.state, priority=8),
    Column("before_detail", priority=3, heading="detail"),
    Column("after", Kind.state, priority=8),
    Column("after_detail", priority=4, heading="detail"),
)


@app.command(no_args_is_help=True)
def what_if(
    *,
    event: Annotated[
        str, typer.Option(help="Predict the deliveries of this event: JSON, @FILE, or - for standard input.")
    ] = "",
    recipient: Annotated[
        str,
        typer.Option(
            help="A recipient's or contact's id; changes its preference for --type.",
            autocompletion=complete_recipient,
        ),
    ] = "",
    external_id: Annotated[
        str, typer.Option(help="A group's external id; changes its addresses for --type.")
    ] = "",
    project_id: Annotated[str, typer.Option(help="The group's project.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="An address of the group; repeatable.")] = None,
    type_name: Annotated[
        str, typer.Option("--type", help="The notification type of the change.", autocompletion=complete_type)
    ] = "",
    channel: Annotated[str, typer.Option(help=f"The channel of the change: {_CHANNELS}.")] = "email",
    on: Annotated[bool, typer.Option("--on/--off", help="The preference to try.")] = False,
    over: Annotated[str, typer.Option(help="Apply the change to events of this period: 12h, 7d.")] = "1d",
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Predict the deliveries of an event with the rules that match, or which deliveries a change would add or remove.

    Nothing is written or sent. Past events are decided with the current tables.
    """
    import uvloop

    from service.model.mask import mask_value

    if sum(map(bool, (event, recipient, external_id))) != 1:
        raise typer.BadParameter("give exactly one of --event, --recipient and --external-id")
    if not event and (not type_name or channel not in set(Channel)):
        raise typer.BadParameter(f"a change needs --type, and --channel {_CHANNELS}")
    change = None
    if recipient:
        change = _preference_change(recipient, type_name, channel, on=on)
    elif external_id:
        change = _group_change(external_id, project_id, {type_name: tuple(address or ())})
    document = uvloop.run(_predict(event, change, duration_s(over) / _S_PER_DAY))
    masked = document if show_personal else mask_value(document)
    if as_json:
        json_line(masked)
    elif event:
        _print_event(masked)
    else:
        _print_change(masked)


def _preference_change(recipient: str, type_name: str, channel: str, *, on: bool) -> "TableOverlay":
    from service.pipeline.operate.table_overlay import preference_change

    return preference_change(recipient, type_name, channel, on=on)


def _group_change(
    external_id: str, project_id: str, addresses: Mapping[str, tuple[str, ...]]
) -> "TableOverlay":
    from service.model.recipient import Group
    from service.pipeline.operate.table_overlay import TableOverlay

    return TableOverlay(groups=[Group(external_id=external_id, project_id=project_id, addresses=addresses)])


async def _predict(event: str, change: "TableOverlay | None", days: float) -> dict[str, Any]:
    from service.bootstrap.parts import bootstrap
    from service.cli.support.factories import kafka_connection
    from service.settings import load
    from streams.reader.event_log import KafkaEventLog

    settings = load()
    parts = bootstrap(settings)
    what_if = parts.what_if(KafkaEventLog(kafka_connection(settings), settings.kafka))
    try:
        if change is None:
            return await what_if.event(_parse(event, parts))
        unknown = sorted(name for name in change.types if name not in parts.catalogue)
        if unknown:
            raise CliError(f"there is no type {unknown[0]}", "`tocsin publish --list` lists the types")
        return await what_if.change(change, days)
    finally:
        await parts.store.close()


def _parse(text: str, parts: "Parts") -> "Event":
    from service.model.event import Event, InvalidEvent
    from service.pipeline.resolve.ingest import parse

    try:
        event = parse(read_input("--event", text), (), parts.catalogue, time.time_ns() // 1_000_000)
    except InvalidEvent as error:
        raise CliError(f"refused: {error.reason}: {error}") from error
    if not isinstance(event, Event):
        raise CliError("a withdrawal makes no delivery", "give an event of a notification type")
    return event


def _print_event(document: Mapping[str, Any]) -> None:
    rows = [
        {
            **{name: predicted[name] for name in ("recipient", "channel", "address", "reason")},
            "rule": f"{predicted['found']} {predicted['scope'].removesuffix('|')}".strip(),
            "state": predicted["state"] or "none",
            "detail": predicted["why"],
            "until": predicted["until_ms"],
        }
        for predicted in document["would"]
    ]
    print_table(_PREDICTED, rows)
    counts = ", ".join(f"{n} {state}" for state, n in document["counts"].items())
    print_wrapped(f"{document['event']['type']}: {counts or 'no deliveries'}", hanging="  ")


def _print_change(document: Mapping[str, Any]) -> None:
    rows = [
        {
            "event": change["event"]["id"],
            "type": change["event"]["type"],
            "recipient": change["recipient"],
            "channel": change["channel"],
            "before": change["before"]["state"] or "none",
            "before_detail": change["before"]["why"],
            "after": change["after"]["state"] or "none",
            "after_detail": change["after"]["why"],
        }
        for change in document["differences"]
    ]
    print_table(_DIFFERENCES, rows)
    counts = document["counts"]
    more, events = plural(counts["more"], "delivery"), plural(document["events"], "event")
    print_wrapped(f"{events}: {more} more, {counts['fewer']} fewer", hanging="  ")
