"""What verbs share that change things: the parts, a producer, who does it, and the question before it is done."""

import os
import pwd
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from service.cli.support.factories import kafka_of
from service.cli.support.output import CliError, print_note
from service.model.operation import OperationKind
from service.model.record import Record
from service.settings import Settings

if TYPE_CHECKING:
    from service.bootstrap import Parts
    from service.pipeline.operate.audit_log import DeadLetterStatus, OperationLog
    from streams.kafka.connection import KafkaConnection
    from streams.producer.producer import Producer


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """An operator's way into the line."""

    settings: Settings
    parts: "Parts"
    connection: "KafkaConnection"
    producer: "Producer"

    def trail(self, action: OperationKind, asked: Mapping[str, Any]) -> "OperationLog":
        """A new operation."""
        from service.pipeline.operate.audit_log import OperationLog

        parts = self.parts
        return OperationLog(
            self.producer,
            parts.topics.audit,
            parts.clock,
            operator=operator(),
            kind=action,
            filters=asked,
        )

    async def read(self, *topics: str, since_ms: int = 0) -> AsyncIterator[Record]:
        """All that these topics hold now. Raises Failure where one is not there."""
        from streams.reader.follow import UnknownTopic, follow

        try:
            async with aclosing(
                follow(self.connection, topics, since_ms=since_ms, until_end=True)
            ) as reading:
                async for record in reading:
                    yield record
        except UnknownTopic as error:
            raise CliError(str(error), "create it with `tocsin topics apply`") from error

    async def dead_letter_statuses(self) -> "dict[str, DeadLetterStatus]":
        """What was done to dead letters."""
        from service.pipeline.operate.audit_log import dead_letter_statuses

        return dead_letter_statuses([record async for record in self.read(self.parts.topics.audit)])


@asynccontextmanager
async def operator_session(to: Sequence[str] = ()) -> AsyncIterator[OperatorSession]:
    """Open and close everything. `to`: topics that may be written to, with records as large as any original."""
    from service.bootstrap import bootstrap
    from service.settings import load
    from streams.producer.producer import Producer
    from streams.topics.table import DEAD_LETTER_BYTES

    settings = load()
    connection = kafka_of(settings)
    parts = bootstrap(settings)
    producer = Producer(connection, limits=dict.fromkeys(to, DEAD_LETTER_BYTES))
    try:
        yield OperatorSession(settings, parts, connection, producer)
    finally:
        await producer.stop()
        await parts.store.close()


def operator() -> str:
    """Who does it: the user of the operating system, by the process and not by the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def confirm(question: str, *, yes: bool) -> None:
    """Ask on stderr; ends with exit code 1 unless the answer is yes."""
    if not yes and not typer.confirm(question, err=True):
        print_note("nothing was done")
        raise typer.Exit(1)
