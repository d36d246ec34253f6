"""What commands that change data share: adapters, a producer, the operation log, and the question before a change."""

import os
import pwd
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from service.cli.support.factories import kafka_connection
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
    """Redis, Kafka and the operation log, open for one command of an operator."""

    settings: Settings
    parts: "Parts"
    connection: "KafkaConnection"
    producer: "Producer"

    def operation_log(self, kind: OperationKind, filter_: Mapping[str, Any]) -> "OperationLog":
        """Return the log of a new operation by this operator. `filter_` must not name a person."""
        from service.pipeline.operate.audit_log import OperationLog

        parts = self.parts
        return OperationLog(
            self.producer,
            parts.topics.audit,
            parts.clock,
            operator=operator(),
            kind=kind,
            filters=filter_,
        )

    async def read(self, *topics: str, since_ms: int = 0) -> AsyncIterator[Record]:
        """Yield the records that these topics hold now. Raise CliError when a topic does not exist."""
        from streams.reader.follow import UnknownTopic, follow

        try:
            async with aclosing(
                follow(self.connection, topics, since_ms=since_ms, until_end=True)
            ) as records:
                async for record in records:
                    yield record
        except UnknownTopic as error:
            raise CliError(str(error), "create it with `tocsin topics apply`") from error

    async def dead_letter_statuses(self) -> "dict[str, DeadLetterStatus]":
        """Return the status of each dead letter that an operator has redriven or discarded, by its id."""
        from service.pipeline.operate.audit_log import dead_letter_statuses

        return dead_letter_statuses([record async for record in self.read(self.parts.topics.audit)])


@asynccontextmanager
async def operator_session(write_topics: Sequence[str] = ()) -> AsyncIterator[OperatorSession]:
    """Open and close a session. To `write_topics` it may write records as large as the original of a dead letter."""
    from service.bootstrap import bootstrap
    from service.settings import load
    from streams.producer.producer import Producer
    from streams.topics.table import DEAD_LETTER_BYTES

    settings = load()
    connection = kafka_connection(settings)
    parts = bootstrap(settings)
    producer = Producer(connection, limits=dict.fromkeys(write_topics, DEAD_LETTER_BYTES))
    try:
        yield OperatorSession(settings, parts, connection, producer)
    finally:
        await producer.stop()
        await parts.store.close()


def operator() -> str:
    """Return the operating system's user of this process; the environment, which anyone can set, is not read."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def confirm(question: str, *, yes: bool) -> None:
    """Ask on stderr unless `yes`; end with exit code 1 unless the answer is yes."""
    if not yes and not typer.confirm(question, err=True):
        print_note("nothing was done")
        raise typer.Exit(1)
