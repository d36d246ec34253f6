"""Short visits to Kafka by people and checks: what goes wrong becomes one line, and none waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection

PATIENCE_S = 10.0

_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (KafkaConnectionError, "does not answer"),
    (TimeoutError, "does not answer in time"),
    (AuthenticationFailedError, "refuses our credentials"),
    (SaslAuthenticationFailed, "refuses our credentials"),
    (ClusterAuthorizationFailedError, "does not allow us this"),
    (TopicAuthorizationFailedError, "does not allow us this topic"),
)


@asynccontextmanager
async def kafka_errors(
    connection: KafkaConnection, patience_s: float | None = PATIENCE_S
) -> AsyncIterator[None]:
    """Within it, whatever Kafka does wrong, or not in time, is Unavailable. `patience_s` None: no limit."""
    try:
        async with asyncio.timeout(patience_s):
            yield
    except (KafkaError, OSError, TimeoutError) as error:
        words = next((words for kind, words in _WORDS if isinstance(error, kind)), f"failed: {error!r}")
        raise Unavailable(f"Kafka at {connection.bootstrap} {words}") from error


@asynccontextmanager
async def admin(connection: KafkaConnection) -> AsyncIterator[Any]:
    """aiokafka's admin client, started, and closed at the end."""
    client = AIOKafkaAdminClient(**connection.arguments())
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def partition_counts(connection: KafkaConnection) -> dict[str, int]:
    """Every topic there is, with its number of partitions. Raises Unavailable."""
    async with kafka_errors(connection), admin(connection) as client:
        return {found["topic"]: len(found["partitions"]) for found in await client.describe_topics()}


async def broker_count(connection: KafkaConnection) -> int:
    """How many brokers there are. Raises Unavailable."""
    async with kafka_errors(connection), admin(connection) as client:
        return len((await client.describe_cluster())["brokers"])
