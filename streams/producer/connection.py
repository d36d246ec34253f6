"""One idempotent aiokafka client with its lanes; thrown away as a whole when something has failed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from service.model.record import Message
from streams.kafka.connection import KafkaConnection
from streams.producer.partition_queue import PartitionQueue, partition_of

log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0


class ProducerConnection:
    """A live connection for producing. `failed` is called once, with what made it useless."""

    def __init__(
        self,
        client: AIOKafkaProducer,
        linger_s: float,
        failed: Callable[["ProducerConnection", Exception], None],
    ) -> None:
        self._client = client
        self._linger_s = linger_s
        self._failed = failed
        self._lanes: dict[str, list[PartitionQueue]] = {}

    @classmethod
    async def open(
        cls,
        connection: KafkaConnection,
        linger_s: float,
        batch_bytes: int,
        compression: str | None,
        failed: Callable[["ProducerConnection", Exception], None],
    ) -> "ProducerConnection":
        """Connect. Raises KafkaError when no broker answers; waits as long as none hands out a producer id."""
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
        return cls(client, linger_s, failed)

    async def append(self, messages: Sequence[Message]) -> set["asyncio.Future[None]"]:
        """Queue messages, those of a partition in their order; the futures of the batches they went into."""
        for topic in {message.topic for message in messages}:
            partitions = len(await self._client.partitions_for(topic))
            lanes = self._lanes.setdefault(topic, [])
            for partition in range(len(lanes), partitions):
                lanes.append(
                    PartitionQueue(self._client, topic, partition, self._linger_s, self._lane_failed)
                )
        batches = set()
        for message in messages:
            lanes = self._lanes[message.topic]
            batches.add(lanes[partition_of(message.key, len(lanes))].append(message))
        return batches

    async def close(self) -> None:
        """End in peace: nothing is under way any more."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._client.stop()
        except TimeoutError:
            await self.abandon(ConnectionError("closing took too long"))
        finally:
            self._fail_lanes(ConnectionError("producer was stopped"))

    async def abandon(self, error: Exception) -> None:
        """End at once. What was not acknowledged is given up, though it may have been written."""
        self._fail_lanes(error)
        # An idempotent client retries for ever, also while it stops; so its parts are ended one by one.
        client, sender = self._client, self._client._sender
        client._message_accumulator.fail_all(KafkaError("producer replaced"))
        sender.sender_task.remove_done_callback(sender._fail_all)
        sender.sender_task.cancel()
        with suppress(Exception):
            await client.client.close()
        await asyncio.wait([sender.sender_task], timeout=_STOP_SECONDS)
        if sender.sender_task.done() and not sender.sender_task.cancelled():
            sender.sender_task.exception()  # about what was given up; asked for, so that nobody logs it
        with suppress(Exception, asyncio.CancelledError):
            async with asyncio.timeout(_STOP_SECONDS):
                await client.stop()

    def _lane_failed(self, error: Exception) -> None:
        self._failed(self, error)

    def _fail_lanes(self, error: Exception) -> None:
        for lanes in self._lanes.values():
            for lane in lanes:
                lane.fail(error)
