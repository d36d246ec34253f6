"""`tocsin topics`: create and alter Kafka topics to agree with the topic table, and list differences."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.cells import plural
from service.cli.support.factories import kafka_connection
from service.cli.support.output import print_note
from service.cli.support.table import Column, Kind, listing
from service.settings import Settings, load

if TYPE_CHECKING:
    from streams.topics.apply import TopicChange

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]
_CHANGES = (Column("topic", Kind.id, priority=9, narrow=20), Column("done", priority=8))
_TOPICS = (
    Column("topic", Kind.id, priority=9, narrow=20),
    Column("partitions", Kind.number, priority=8),
    Column("replication", Kind.number, priority=4),
    Column("cleanup", priority=6, narrow=7),
    Column("retention_days", Kind.number, priority=5),
    Column("key", priority=3),
    Column("differs", priority=7),
)


@app.callback()
def topics() -> None:
    """Create Kafka topics, and compare them with the topic table."""


@app.command()
def apply(as_json: Json = False) -> None:
    """Create missing topics, add partitions, alter settings that differ. Never delete or shrink. Idempotent.

    Topics of the upstream services are created and get partitions; their settings are not changed.
    """
    changes = asyncio.run(_apply(load()))
    listing(_CHANGES, (change._asdict() for change in changes), as_json=as_json)
    if not as_json:
        changed = sum(change.done != "unchanged" for change in changes)
        print_note(f"{plural(len(changes), 'topic')}, {changed or 'none'} changed")


@app.command("list")
def list_topics(as_json: Json = False) -> None:
    """List every topic, upstreams' too, with its current settings, and what `apply` would change."""
    from streams.topics.status import topic_status

    settings = load()
    kafka = settings.kafka
    statuses = asyncio.run(
        topic_status(
            kafka_connection(settings),
            kafka.prefix,
            partitions=kafka.partitions,
            min_insync_replicas=kafka.min_insync_replicas,
            events=kafka.events,
        )
    )
    listing(_TOPICS, (status._asdict() for status in statuses), as_json=as_json)


async def _apply(settings: Settings) -> "list[TopicChange]":
    from streams.kafka.errors import kafka_errors
    from streams.topics.apply import apply as apply_table

    kafka, connection = settings.kafka, kafka_connection(settings)
    async with kafka_errors(connection, 60.0):
        return await apply_table(
            connection,
            kafka.prefix,
            partitions=kafka.partitions,
            replication=kafka.replication,
            min_insync_replicas=kafka.min_insync_replicas,
            events=kafka.events,
        )
