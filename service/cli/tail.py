"""`tocsin tail`: follows what happens, as it happens. Reads outside any consumer group, so it disturbs nobody."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.factories import kafka_of
from service.cli.support.output import CliError, json_line, print_text
from service.cli.support.times import moment_ms
from service.model.catalogue import Lane
from service.model.topics import TopicNames
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.cli.support.record_view import RecordView

app = typer.Typer(add_completion=False)
Texts = list[str] | None
_STYLES = {
    "sent": "green",
    "delivered": "green",
    "deferred": "yellow",
    "ambiguous": "yellow",
    "held": "yellow",
    "bounced": "red",
    "dead": "red",
    "skipped": "dim",
}


@dataclass(frozen=True, slots=True)
class TailFilter:
    """What is to be shown: for each field the values that are let through, and when to stop."""

    fields: Mapping[str, frozenset[str]]
    since_ms: int | None
    until_end: bool
    limit: int

    def wants(self, sight: "RecordView") -> bool:
        """Whether every field that was asked for has one of its values."""
        return all(not values.isdisjoint(sight.fields.get(name, ())) for name, values in self.fields.items())


@app.command()
def tail(
    *,
    topic: Annotated[
        Texts,
        typer.Argument(
            metavar="[TOPIC]...",
            help="outcomes, dead-letter, audit, inbox, email, email.LANE, events, tables.NAME, or a full name.",
        ),
    ] = None,
    type_name: Annotated[Texts, typer.Option("--type", help="Only these notification types.")] = None,
    recipient: Annotated[Texts, typer.Option(help="Only these recipient ids.")] = None,
    state: Annotated[Texts, typer.Option(help="Only these states.")] = None,
    event: Annotated[Texts, typer.Option(help="Only these events: their ids or keys.")] = None,
    channel: Annotated[Texts, typer.Option(help="email or inbox.")] = None,
    reason: Annotated[Texts, typer.Option(help="Only these reason codes.")] = None,
    since: Annotated[str, typer.Option(help="From then on: 10m ago, or a time.")] = "",
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="All that Kafka has kept.")
    ] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop when all is read.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Stop after so many; 0: never.")] = 0,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Do not mask addresses and names.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines.")] = False,
) -> None:
    """Follow dispatch topics: outcomes and dead letters, unless topics are named. Ctrl-C ends it."""
    if since and from_beginning:
        raise typer.BadParameter("not together with --from-beginning", param_hint="--since")
    asked = {"type": type_name, "recipient": recipient, "state": state, "event": event}
    asked |= {"channel": channel, "reason": reason}
    begin = (
        moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0 if from_beginning else None
    )
    wish = TailFilter(
        {name: frozenset(values) for name, values in asked.items() if values}, begin, until_end, limit
    )
    settings = load()
    try:
        asyncio.run(
            _tail(
                settings,
                topic or ["outcomes", "dead-letter"],
                wish,
                _printer(settings, show_personal, as_json),
            )
        )
    except KeyboardInterrupt:
        raise typer.Exit from None  # the usual way to end it


async def _tail(
    settings: Settings, asked: Sequence[str], wish: TailFilter, show: "Callable[[RecordView], None]"
) -> None:
    from service.cli.support.record_view import record_view
    from streams.reader.follow import UnknownTopic, follow

    connection, names, shown = kafka_of(settings), TopicNames(settings.kafka.prefix), 0
    wanted = list(dict.fromkeys(full for name in asked for full in full_names(name, settings)))
    reading = follow(connection, wanted, since_ms=wish.since_ms, until_end=wish.until_end)
    try:
        async with aclosing(reading):
            async for record in reading:
                sight = record_view(record, names)
                if wish.wants(sight):
                    show(sight)
                    shown += 1
                    if shown == wish.limit:
                        return
    except UnknownTopic as error:
        raise CliError(
            str(error), "`tocsin topics list` shows them, `tocsin topics apply` creates them"
        ) from error


def _printer(settings: Settings, personal: bool, as_json: bool) -> "Callable[[RecordView], None]":
    from service.cli.support.record_view import view_line

    names = TopicNames(settings.kafka.prefix)
    if as_json:
        return lambda sight: json_line(sight.document(personal=personal), flush=True)
    return lambda sight: print_text(
        view_line(sight, names, personal=personal), _STYLES.get(sight.first("state"), "")
    )


def full_names(name: str, settings: Settings) -> Sequence[str]:
    """The topics that a short name stands for; a name that is none is taken as it is."""
    names = TopicNames(settings.kafka.prefix)
    short = {
        "outcomes": [names.outcomes],
        "dead-letter": [names.dead_letter],
        "dead-letters": [names.dead_letter],
        "audit": [names.audit],
        "inbox": [names.inbox],
        "email": [names.email(lane) for lane in Lane],
        **{f"email.{lane}": [names.email(lane)] for lane in Lane},
        "events": settings.kafka.events,
    }
    if name.startswith("tables."):
        return [names.table(name.removeprefix("tables."))]
    return short.get(name, [name])
