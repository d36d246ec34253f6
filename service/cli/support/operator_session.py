"""What commands that change data share: adapters, a producer, the operation log, and the question before a change."""

import os
import pwd
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from service.cli.support.factories import kafka_connection
from service.cli.support.output import print_note
from service.model.operation import OperationKind
from service.settings import Settings

if TYPE_CHECKING:
    from service.bootstrap.parts import Parts
    from service.pipeline.operate.audit_log import OperationLog
    from service.pipeline.operate.services import OperatorServices
    from streams.kafka.connection import KafkaConnection


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """Redis, Kafka and the operation log, open for one command of an operator."""

    settings: Settings
    parts: "Parts"
    connection: "KafkaConnection"
    services: "OperatorServices"

    def operation_log(self, kind: OperationKind, filter_: Mapping[str, Any]) -> "OperationLog":
        """Return the log of a new operation by this operator. `filter_` must not name a person."""
        return self.services.operation_log(operator(), kind, filter_)


@asynccontextmanager
async def operator_session() -> AsyncIterator[OperatorSession]:
    """Open and close a session. It may write records as large as the original of a dead letter."""
    from service.bootstrap.operator_services import operator_services
    from service.bootstrap.parts import bootstrap
    from service.settings import load
    from streams.producer.producer import Producer
    from streams.reader.outcome_log import KafkaOutcomeLog
    from streams.reader.record_log import KafkaRecordLog
    from streams.topics.table import DEAD_LETTER_BYTES

    settings = load()
    connection = kafka_connection(settings)
    parts = bootstrap(settings)
    producer = Producer(connection, limit_bytes=DEAD_LETTER_BYTES)
    outcomes = KafkaOutcomeLog(connection, parts.topics.outcomes)
    services = operator_services(parts, producer, KafkaRecordLog(connection), outcomes)
    try:
        yield OperatorSession(settings, parts, connection, services)
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
