"""Kafka's errors in sentences for operators, and short calls to the cluster that end with one of them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
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
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection

TIMEOUT_S = 10.0

_SENTENCES: Mapping[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "Kafka at {host}: its certificate is not trusted",
    ssl.SSLError: "Kafka at {host} does not speak TLS",
    AuthenticationFailedError: "Kafka at {host} refuses our credentials",
    SaslAuthenticationFailed: "Kafka at {host} refuses our credentials",
    ClusterAuthorizationFailedError: "Kafka at {host} does not allow us this",
    TopicAuthorizationFailedError: "Kafka at {host} does not allow us this topic: {error!r}",
    KafkaConnectionError: "Kafka at {host} does not answer",
    TimeoutError: "Kafka at {host} does not answer in time",
}
"""A class before its base classes: the first that fits is used."""


def sentence(connection: KafkaConnection, error: BaseException) -> str:
    """Return an error as a sentence that names the servers; an error that has none of its own is shown as it is."""
    fitting = (text for kind, text in _SENTENCES.items() if isinstance(error, kind))
    text = next(fitting, "Kafka at {host} failed: {error!r}")
    return text.format(host=connection.bootstrap, error=error)


@asynccontextmanager
async def kafka_errors(
    connection: KafkaConnection, timeout_s: float | None = TIMEOUT_S
) -> AsyncIterator[None]:
    """Raise Unavailable for every error of Kafka in the block, and when it takes too long. None: no time limit."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(sentence(connection, error)) from error


@asynccontextmanager
async def admin(connection: KafkaConnection) -> AsyncIterator[Any]:
    """Start aiokafka's admin client, and close it after the block."""
    aiokafka_patches.install()
    client = AIOKafkaAdminClient(**connection.arguments())
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def partition_counts(connection: KafkaConnection) -> dict[str, int]:
    """Return every topic of the cluster with its number of partitions. Raise Unavailable."""
    async with kafka_errors(connection), admin(connection) as client:
        return await count_partitions(client)


async def count_partitions(client: Any) -> dict[str, int]:
    """Return every topic with its number of partitions, by an admin client. Raise KafkaError."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics()}


async def broker_count(connection: KafkaConnection) -> int:
    """Return the number of brokers. Raise Unavailable."""
    async with kafka_errors(connection), admin(connection) as client:
        return len((await client.describe_cluster())["brokers"])
