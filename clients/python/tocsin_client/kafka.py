"""Publish over Kafka: an idempotent producer, and a key that keeps the order of a recipient's events."""

import asyncio
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from cloudevents.core.base import BaseCloudEvent

from tocsin_client.cloud_event import Mode, kafka_message, to_cloud_event
from tocsin_client.errors import Unavailable
from tocsin_client.event import Event


class KafkaPublisher:
    """A `Publisher` over Kafka, within `async with`. `options` are those of AIOKafkaProducer, such as its security.

    `timeout_s`: for how long `publish` waits for the acknowledgement of all replicas.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic: str = "events",
        mode: Mode = "structured",
        timeout_s: float = 30.0,
        **options: Any,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._mode = mode
        self._timeout_s = timeout_s
        self._options = options
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers, enable_idempotence=True, acks="all", **self._options
        )
        try:
            await producer.start()
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaError):
                raise Unavailable(f"Kafka cannot be reached: {error}") from error
            raise
        self._producer = producer
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def publish(self, *events: Event | BaseCloudEvent) -> None:
        """Return once all events are acknowledged by all replicas in sync. Raise InvalidEvent or Unavailable."""
        if self._producer is None:
            raise RuntimeError("use the publisher within `async with`")
        messages = [
            kafka_message(to_cloud_event(event, index), self._mode) for index, event in enumerate(events)
        ]
        try:
            async with asyncio.timeout(self._timeout_s):
                sent = [await self._send(self._producer, message) for message in messages]
                await asyncio.gather(*sent)
        except TimeoutError as error:
            raise Unavailable(f"no acknowledgement within {self._timeout_s} s") from error
        except KafkaError as error:
            raise Unavailable(f"not acknowledged: {error}") from error

    async def _send(self, producer: AIOKafkaProducer, message: Any) -> asyncio.Future[Any]:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        future: asyncio.Future[Any] = await producer.send(
            self._topic, message.value, key=key, headers=list(message.headers.items())
        )
        return future
