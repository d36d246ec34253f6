"""`tocsin publish`: an event from the command line, checked here as the resolve stage would check it."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.factories import catalogue_of, kafka_of
from service.cli.support.option_input import bytes_of
from service.cli.support.output import CliError, json_line, listing, print_text
from service.cli.support.times import iso, moment_ms
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.cli.support.event_draft import Draft
    from service.model.catalogue import Catalogue, NotificationType
    from service.model.event import Event, Withdrawal
    from service.model.record import Message
    from streams.reader.publish_once import RecordPosition

app = typer.Typer(add_completion=False)
_CHUNK = 500


@app.command(no_args_is_help=True)
def publish_once(
    *,
    type_name: Annotated[
        str, typer.Argument(metavar="TYPE", help="A notification type, or withdraw; --list shows them.")
    ] = "",
    sample: Annotated[bool, typer.Option("--sample", help="Begin with the type's sample event.")] = False,
    data: Annotated[str, typer.Option(help="Data as a JSON object, @FILE, or - for standard input.")] = "",
    recipient: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Whom it is for; repeatable.")
    ] = None,
    external_id: Annotated[str | None, typer.Option(help="The group's external id.")] = None,
    project_id: Annotated[str | None, typer.Option(help="The group's project.")] = None,
    account: Annotated[str | None, typer.Option(help="The account whose contacts hear.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it; not notified of it.")] = None,
    expires: Annotated[str, typer.Option(help="When it loses its worth: 10m, or a time.")] = "",
    event_id: Annotated[str, typer.Option("--id", help="The event's id; with --count, ID-1, ID-2, …")] = "",
    source: Annotated[str, typer.Option(help="The event's source.")] = "/tocsin/cli",
    at: Annotated[str, typer.Option("--time", help="When it happened; now, unless given.")] = "",
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many such events.")] = 1,
    topic: Annotated[
        str, typer.Option(help="The topic; the first of TOCSIN_KAFKA__EVENTS, unless given.")
    ] = "",
    show_types: Annotated[bool, typer.Option("--list", help="List the notification types.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines.")] = False,
) -> None:
    """Publish events of a type; one that would become a dead letter is refused with the reason."""
    from service.cli.support.event_draft import draft_of, recipients_text

    settings = load()
    catalogue = catalogue_of(settings)
    if show_types:
        _list(catalogue, as_json)
        return
    if not type_name:
        raise typer.BadParameter("missing; --list shows the types", param_hint="TYPE")
    reserved = type_name.rpartition(".")[2] == "withdraw"
    row = None if reserved else _row(catalogue, type_name)
    now_ms = time.time_ns() // 1_000_000
    given = {
        "recipients": recipients_text(recipient or ()),
        "external_id": external_id,
        "project_id": project_id,
    }
    given |= {"account": account, "actor": actor, "expires": _time(expires, now_ms, ago=False) or None}
    happened, begin = _time(at, now_ms, ago=True) or iso(now_ms), row.sample if row and sample else {}
    draft = draft_of(type_name, begin, _data(data), given, source=source, time=happened, event_id=event_id)
    asyncio.run(
        _publish(settings, _Made(catalogue, draft, topic or settings.kafka.events[0], count), as_json)
    )


def _time(text: str, now_ms: int, *, ago: bool) -> str:
    return iso(moment_ms(text, now_ms, ago=ago)) if text else ""


@dataclass(frozen=True, slots=True)
class _Made:
    """The events of a command in batches, each made only when the one before it is written."""

    catalogue: "Catalogue"
    draft: "Draft"
    topic: str
    count: int

    def __iter__(self) -> "Iterator[list[tuple[Event | Withdrawal, Message]]]":
        for first in range(1, self.count + 1, _CHUNK):
            numbers = range(first, min(first + _CHUNK, self.count + 1))
            yield [
                _checked(self.catalogue, self.draft, self.draft.event_id(n, self.count), self.topic)
                for n in numbers
            ]


async def _publish(settings: Settings, made: "_Made", as_json: bool) -> None:
    from streams.reader.follow import UnknownTopic
    from streams.reader.publish_once import publish_once as write

    under_way: deque[list[Event | Withdrawal]] = deque()

    def messages() -> "Iterator[list[Message]]":
        for batch in made:
            under_way.append([event for event, _ in batch])
            yield [message for _, message in batch]

    try:
        async with aclosing(write(kafka_of(settings), made.topic, messages())) as written:
            async for positions in written:
                for event, position in zip(under_way.popleft(), positions, strict=True):
                    _told(event, position, as_json)
    except UnknownTopic as error:
        raise CliError(str(error), "create it with `tocsin topics apply`") from error


def _told(event: "Event | Withdrawal", position: "RecordPosition", as_json: bool) -> None:
    if as_json:
        told = {"id": event.id, "source": event.source, "type": event.type, "event": event.key}
        json_line({**told, **position._asdict()})
    else:
        print_text(f"{event.id}  {position.topic} {position.partition}:{position.offset}")


def _checked(
    catalogue: "Catalogue", draft: "Draft", event_id: str, topic: str
) -> "tuple[Event | Withdrawal, Message]":
    from service.cli.support.event_draft import checked
    from service.model.event import InvalidEvent

    try:
        return checked(draft, event_id, topic, catalogue, time.time_ns() // 1_000_000)
    except InvalidEvent as error:
        raise CliError(f"refused: {error.reason}: {error}", _remedy(error.reason)) from error


def _remedy(reason: str) -> str:
    if reason == "missing_audience":
        return "see --recipient, --external-id, --account, or --sample"
    return "--sample gives data that fits" if reason == "invalid_data" else ""


def _row(catalogue: "Catalogue", name: str) -> "NotificationType":
    row = catalogue.get(name)
    if row is None:
        near = get_close_matches(name.rpartition(".")[2], [row.name for row in catalogue], n=3, cutoff=0.5)
        raise CliError(
            f"refused: unknown_type: there is no type {name}",
            f"did you mean {' or '.join(near)}?" if near else "`tocsin publish --list` shows the types",
        )
    return row


def _data(given: str) -> dict[str, Any]:
    """The object that was given. Raises Failure with the reason that a dead letter would have."""
    from service.model.event import InvalidEvent
    from service.pipeline.resolve import strict_json

    if not given:
        return {}
    try:
        document = strict_json.loads(bytes_of("--data", given))
    except InvalidEvent as error:
        raise CliError(f"refused: --data: {error.reason}: {error}") from error
    if not isinstance(document, dict):
        raise CliError("refused: --data: invalid_data: it must be a JSON object")
    return document


def _list(catalogue: "Catalogue", as_json: bool) -> None:
    listing(
        ("name", "domain", "number", "title", "channels", "audience"), map(_shown, catalogue), as_json=as_json
    )


def _shown(row: "NotificationType") -> dict[str, Any]:
    audience: Sequence[str] = [
        f"{rule.kind} {rule.role}" if rule.role else str(rule.kind) for rule in row.audience
    ]
    return {
        "name": row.name,
        "domain": row.domain,
        "number": row.number,
        "title": row.title,
        "channels": ", ".join(row.channels),
        "audience": ", ".join(audience),
    }
