"""One idempotent aiokafka client with its partition queues; abandoned as a whole when a batch has failed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, LeaderNotAvailableError

from service.model.record import Message
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection
from streams.producer.partition_queue import PartitionQueue, partition_of

_STOP_TIMEOUT_S = 5.0


class ProducerConnection:
    """An open connection for producing. `on_failed` is called with the error that makes it useless."""

    def __init__(
        self,
        client: AIOKafkaProducer,
        on_failed: Callable[["ProducerConnection", Exception], None],
    ) -> None:
        self._client = client
        self._on_failed = on_failed
        self._queues: dict[str, list[PartitionQueue]] = {}

    @classmethod
    async def open(
        cls,
        connection: KafkaConnection,
        batch_bytes: int,
        compression: str | None,
        on_failed: Callable[["ProducerConnection", Exception], None],
    ) -> "ProducerConnection":
        """Connect and return the connection. Raise KafkaError when no broker answers.

        Wait without a limit while no broker assigns a producer id.
        """
        aiokafka_patches.install()
        client = AIOKafkaProducer(
            **connection.arguments(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=batch_bytes,
            compression_type=compression,
            request_timeout_ms=10_000,
        )
        try:
            await client.start()
        except BaseException:
            await client.stop()
            raise
        return cls(client, on_failed)

    async def append(self, messages: Sequence[Message]) -> set["asyncio.Future[None]"]:
        """Queue messages, those of a partition in their order; return the futures of the batches that hold them."""
        for topic in {message.topic for message in messages}:
            partitions = len(await self._client.partitions_for(topic))
            queues = self._queues.setdefault(topic, [])
            for partition in range(len(queues), partitions):
                queues.append(PartitionQueue(self._client, topic, partition, self._queue_failed))
        batches = set()
        for message in messages:
            queues = self._queues[message.topic]
            batches.add(queues[partition_of(message.key, len(queues), message.value)].append(message))
        return batches

    async def check(self, topics: Iterable[str]) -> None:
        """Return when a broker answers and every partition of these topics has a leader. Raise KafkaError."""
        client = self._client.client
        if not await client.force_metadata_update():
            raise KafkaConnectionError("no broker answers")
        for topic in topics:
            if await self._client.partitions_for(topic) != client.cluster.available_partitions_for_topic(
                topic
            ):
                raise LeaderNotAvailableError(topic)

    async def close(self) -> None:
        """Close the connection when nothing is in flight any more; abandon it when that takes over 5 s."""
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._client.stop()
        except TimeoutError:
            await self.abandon(ConnectionError("closing took too long"))
        finally:
            self._fail_queues(ConnectionError("producer was stopped"))

    async def abandon(self, error: Exception) -> None:
        """End at once. Messages that are not acknowledged fail with `error`, though Kafka may have written them."""
        self._fail_queues(error)
        # An idempotent client retries for ever, also while it stops; so its parts are ended one by one.
        client, sender = self._client, self._client._sender
        client._message_accumulator.fail_all(KafkaError("producer replaced"))
        sender.sender_task.remove_done_callback(sender._fail_all)
        sender.sender_task.cancel()
        with suppress(Exception):
            await client.client.close()
        await asyncio.wait([sender.sender_task], timeout=_STOP_TIMEOUT_S)
        if sender.sender_task.done() and not sender.sender_task.cancelled():
            sender.sender_task.exception()  # retrieved, so that asyncio does not log it
        with suppress(Exception, asyncio.CancelledError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await client.stop()

    def _queue_failed(self, error: Exception) -> None:
        self._on_failed(self, error)

    def _fail_queues(self, error: Exception) -> None:
        for queues in self._queues.values():
            for queue in queues:
                queue.fail(error)
