"""`tocsin publish`: publish events, after the same validation as in the resolve stage."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.develop.type_facts import type_row
from service.cli.develop.types import TYPE_COLUMNS
from service.cli.support.completion import complete_recipient, complete_type
from service.cli.support.factories import find_type, kafka_connection, load_catalogue
from service.cli.support.option_input import read_input
from service.cli.support.output import CliError, json_line, print_text
from service.cli.support.table import listing
from service.cli.support.times import iso, moment_ms
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.cli.support.event_draft import EventDraft
    from service.model.catalogue import Catalogue
    from service.model.event import Event, Withdrawal
    from service.model.record import Message
    from streams.reader.publish_once import RecordPosition

app = typer.Typer(add_completion=False)
_BATCH = 500
TypeName = Annotated[
    str,
    typer.Argument(
        metavar="TYPE",
        help="A notification type, or withdraw; --list prints the types.",
        autocompletion=complete_type,
    ),
]


@app.command(no_args_is_help=True)
def publish(
    *,
    type_name: TypeName = "",
    sample: Annotated[
        bool, typer.Option("--sample", help="Take missing fields from the type's sample event.")
    ] = False,
    data: Annotated[
        str, typer.Option(help="The data as a JSON object, @FILE, or - for standard input.")
    ] = "",
    recipient: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A recipient's id; repeatable.", autocompletion=complete_recipient),
    ] = None,
    external_id: Annotated[str | None, typer.Option(help="The group's external id.")] = None,
    project_id: Annotated[str | None, typer.Option(help="The group's project.")] = None,
    account: Annotated[str | None, typer.Option(help="The account whose contacts are notified.")] = None,
    actor: Annotated[
        str | None, typer.Option(help="The recipient who caused the event, and is not notified.")
    ] = None,
    deliver_at: Annotated[str, typer.Option(help="When it is delivered: 10m (from now), or a time.")] = "",
    expires: Annotated[str, typer.Option(help="When the event expires: 10m (from now), or a time.")] = "",
    event_id: Annotated[str, typer.Option("--id", help="The event's id; with --count, ID-1, ID-2, …")] = "",
    source: Annotated[str, typer.Option(help="The event's source.")] = "/tocsin/cli",
    happened: Annotated[
        str, typer.Option("--time", help="When it happened: 10m (ago), or a time; default: now.")
    ] = "",
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="Number of events to publish.")] = 1,
    topic: Annotated[str, typer.Option(help="The topic; default: the first of TOCSIN_KAFKA__EVENTS.")] = "",
    show_types: Annotated[bool, typer.Option("--list", help="List the notification types and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Publish events of a notification type. Refuse an event that would become a dead letter, with its reason."""
    from service.cli.support.event_draft import draft_event, recipients_text

    settings = load()
    catalogue = load_catalogue(settings)
    if show_types:
        listing(TYPE_COLUMNS, map(type_row, catalogue), as_json=as_json)
        return
    if not type_name:
        raise typer.BadParameter("missing; --list prints the types", param_hint="TYPE")
    is_withdrawal = type_name.rpartition(".")[2] == "withdraw"
    type_ = None if is_withdrawal else find_type(catalogue, type_name, "refused: unknown_type: ")
    now_ms = time.time_ns() // 1_000_000
    options = {"external_id": external_id, "project_id": project_id, "account": account, "actor": actor}
    options["recipients"] = recipients_text(recipient or ())
    options["expires"] = _time(expires, now_ms, ago=False) or None
    options["deliverat"] = _time(deliver_at, now_ms, ago=False) or None
    draft = draft_event(
        type_name,
        type_.sample if type_ and sample else {},
        _data(data),
        options,
        source=source,
        time=_time(happened, now_ms, ago=True) or iso(now_ms),
        event_id=event_id,
    )
    batches = _EventBatches(catalogue, draft, topic or settings.kafka.events[0], count)
    asyncio.run(_publish(settings, batches, as_json))


def _time(text: str, now_ms: int, *, ago: bool) -> str:
    return iso(moment_ms(text, now_ms, ago=ago)) if text else ""


@dataclass(frozen=True, slots=True)
class _EventBatches:
    """The events of a command in batches; a batch is built only after the previous one is written."""

    catalogue: "Catalogue"
    draft: "EventDraft"
    topic: str
    count: int

    def __iter__(self) -> "Iterator[list[tuple[Event | Withdrawal, Message]]]":
        for first in range(1, self.count + 1, _BATCH):
            numbers = range(first, min(first + _BATCH, self.count + 1))
            yield [
                _validate(self.catalogue, self.draft, self.draft.event_id(n, self.count), self.topic)
                for n in numbers
            ]


async def _publish(settings: Settings, batches: _EventBatches, as_json: bool) -> None:
    from streams.reader.follow import UnknownTopic
    from streams.reader.publish_once import publish_once

    in_flight: deque[list[Event | Withdrawal]] = deque()

    def messages() -> "Iterator[list[Message]]":
        for batch in batches:
            in_flight.append([event for event, _ in batch])
            yield [message for _, message in batch]

    try:
        written = publish_once(kafka_connection(settings), batches.topic, messages())
        async with aclosing(written):
            async for positions in written:
                for event, position in zip(in_flight.popleft(), positions, strict=True):
                    _print_published(event, position, as_json)
    except UnknownTopic as error:
        raise CliError(str(error), "create it with `tocsin topics apply`") from error


def _print_published(event: "Event | Withdrawal", position: "RecordPosition", as_json: bool) -> None:
    if as_json:
        fields = {"id": event.id, "source": event.source, "type": event.type, "event": event.key}
        json_line({**fields, **position._asdict()})
    else:
        print_text(f"{event.id}  {position.topic} {position.partition}:{position.offset}")


def _validate(
    catalogue: "Catalogue", draft: "EventDraft", event_id: str, topic: str
) -> "tuple[Event | Withdrawal, Message]":
    from service.cli.support.event_draft import validate_event
    from service.model.event import InvalidEvent

    try:
        return validate_event(draft, event_id, topic, catalogue, time.time_ns() // 1_000_000)
    except InvalidEvent as error:
        raise CliError(f"refused: {error.reason}: {error}", _remedy(error.reason)) from error


def _remedy(reason: str) -> str:
    if reason == "missing_audience":
        return "use --recipient, --external-id, --account or --sample"
    return "--sample has valid data" if reason == "invalid_data" else ""


def _data(text: str) -> dict[str, Any]:
    """Return the JSON object of --data. Raise CliError with the reason that a dead letter would have."""
    from service.model.event import InvalidEvent
    from service.pipeline.resolve import strict_json

    if not text:
        return {}
    try:
        document = strict_json.loads(read_input("--data", text))
    except InvalidEvent as error:
        raise CliError(f"refused: --data: {error.reason}: {error}") from error
    if not isinstance(document, dict):
        raise CliError("refused: --data: invalid_data: must be a JSON object")
    return document
