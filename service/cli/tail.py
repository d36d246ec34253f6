"""`tocsin tail`: follow topics. Reads outside any consumer group, so that no stage is affected."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.completion import complete_topic
from service.cli.support.factories import kafka_connection
from service.cli.support.options import Channels, Events, Reasons, Recipients, States, Types
from service.cli.support.output import CliError, Utc, json_line, print_note
from service.cli.support.record_filter import RecordFilter
from service.cli.support.times import moment_ms
from service.model.catalogue import Lane
from service.model.channels import CHANNELS, Channel
from service.model.topics import TopicNames
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.cli.support.record_view import RecordView

app = typer.Typer(add_completion=False)
Texts = list[str] | None
_CHANNEL_TOPICS = [
    short
    for channel in Channel
    for short in (channel, *([f"{channel}.LANE"] if CHANNELS[channel].lanes else []))
]


@app.command()
def tail(
    *,
    topic: Annotated[
        Texts,
        typer.Argument(
            metavar="[TOPIC]...",
            help=f"outcomes, dead-letter, audit, {', '.join(_CHANNEL_TOPICS)}, events, tables.NAME, or a full name.",
            autocompletion=complete_topic,
        ),
    ] = None,
    type_name: Types = None,
    recipient: Recipients = None,
    state: States = None,
    event: Events = None,
    channel: Channels = None,
    reason: Reasons = None,
    since: Annotated[str, typer.Option(help="Begin then: 10m (ago), or a time; default: now.")] = "",
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest record in Kafka.")
    ] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topics.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Stop after this many records; 0: no limit.")] = 0,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Do not mask addresses and names.")
    ] = False,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Follow topics; default: outcomes and dead letters. Ctrl-C stops it."""
    if since and from_beginning:
        raise typer.BadParameter("not together with --from-beginning", param_hint="--since")
    fields = {"type": type_name, "recipient": recipient, "state": state, "event": event}
    fields |= {"channel": channel, "reason": reason}
    since_ms = (
        moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0 if from_beginning else None
    )
    filter_ = RecordFilter.of_options(fields, since_ms, until_end=until_end, limit=limit)
    settings = load()
    show = _printer(settings, show_personal, as_json, utc)
    say = (lambda _: None) if as_json else print_note
    try:
        asyncio.run(_tail(settings, topic or ["dispatch", "outcomes", "dead-letter"], filter_, show, say))
    except KeyboardInterrupt:
        raise typer.Exit from None  # the usual way to stop it


async def _tail(
    settings: Settings,
    topics: Sequence[str],
    filter_: RecordFilter,
    show: "Callable[[RecordView], None]",
    say: Callable[[str], None],
) -> None:
    from service.cli.support.record_view import record_view
    from streams.reader.follow import UnknownTopic, follow

    names, shown = TopicNames(settings.kafka.prefix), 0
    full_names = list(dict.fromkeys(full for name in topics for full in topic_names(name, settings)))
    records = follow(
        kafka_connection(settings),
        full_names,
        since_ms=filter_.since_ms,
        until_end=filter_.until_end,
        on_start=lambda: say(filter_.described(full_names)),
    )
    try:
        async with aclosing(records):
            async for record in records:
                view = record_view(record, names)
                if filter_.matches(view):
                    show(view)
                    shown += 1
                    if shown == filter_.limit:
                        return
    except UnknownTopic as error:
        raise CliError(
            str(error), "`tocsin topics list` lists them, `tocsin topics apply` creates them"
        ) from error


def _printer(settings: Settings, personal: bool, as_json: bool, utc: bool) -> "Callable[[RecordView], None]":
    from service.cli.support.record_line import RecordPrinter

    if as_json:
        return lambda view: json_line(view.document(personal=personal), flush=True)
    return RecordPrinter(TopicNames(settings.kafka.prefix), personal=personal, utc=utc)


def topic_names(name: str, settings: Settings) -> Sequence[str]:
    """Return the full names of the topics that a short name stands for; any other name is a full name."""
    names = TopicNames(settings.kafka.prefix)
    short: dict[str, Sequence[str]] = {
        "dispatch": sorted(names.dispatches()),
        "outcomes": [names.outcomes],
        "dead-letter": [names.dead_letter],
        "dead-letters": [names.dead_letter],
        "audit": [names.audit],
        "events": settings.kafka.events,
    }
    for channel in Channel:
        by_lane = {f"{channel}.{lane}": names.dispatch(channel, lane) for lane in Lane}
        short[channel] = list(dict.fromkeys(by_lane.values()))
        if CHANNELS[channel].lanes:
            short |= {name_: [topic] for name_, topic in by_lane.items()}
    if name.startswith("tables."):
        return [names.table(name.removeprefix("tables."))]
    return short.get(name, [name])
