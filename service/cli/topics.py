"""`tocsin topics`: makes Kafka look like the table in the code, and shows where it does not."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.factories import kafka_of
from service.cli.support.output import listing, print_note
from service.settings import Settings, load

if TYPE_CHECKING:
    from streams.topics.apply import TopicChange

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="JSON Lines.")]


@app.callback()
def topics() -> None:
    """Create Kafka topics, and compare them with the table."""


@app.command()
def apply(as_json: Json = False) -> None:
    """Create what is missing, add partitions, set what differs; never deletes or shrinks. Harmless when repeated."""
    changes = asyncio.run(_apply(load()))
    listing(("topic", "done"), (change._asdict() for change in changes), as_json=as_json)
    if not as_json:
        changed = sum(change.done != "unchanged" for change in changes)
        print_note(f"{len(changes)} topics, {changed or 'none'} changed")


@app.command("list")
def show(as_json: Json = False) -> None:
    """Every topic of the table, as it stands and as `apply` would change it."""
    from streams.topics.status import topic_status

    settings = load()
    kafka = settings.kafka
    found = asyncio.run(
        topic_status(kafka_of(settings), kafka.prefix, partitions=kafka.partitions, events=kafka.events)
    )
    columns = ("topic", "partitions", "replication", "cleanup", "retention_days", "key", "differs")
    listing(columns, (topic._asdict() for topic in found), as_json=as_json)


async def _apply(settings: Settings) -> "list[TopicChange]":
    from streams.kafka.errors import kafka_errors
    from streams.topics.apply import apply as make

    kafka, connection = settings.kafka, kafka_of(settings)
    async with kafka_errors(connection, 60.0):
        return await make(
            connection,
            kafka.prefix,
            partitions=kafka.partitions,
            replication=kafka.replication,
            events=kafka.events,
        )
