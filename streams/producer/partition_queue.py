"""Queue of one partition on its way to Kafka: messages fill a batch while the batch before it is in flight."""

import asyncio
from collections import deque
from collections.abc import Callable
from zlib import crc32

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from service.model.record import Message


def partition_of(key: bytes | None, partitions: int, value: bytes | None = None) -> int:
    """Return the partition of a key: CRC-32, as librdkafka's `consistent` partitioner; murmur2 costs 5 µs in Python.

    A message without a key has no order to keep: the partition is that of its value.
    """
    return crc32((value or b"") if key is None else key) % partitions


class PartitionQueue:
    """Batches of one partition, sent strictly one after another, so that order holds and small writes gather.

    A batch is sent as soon as the one before it is acknowledged: under load batches fill, without it none waits.
    A batch that fails leaves a hole in the sequence numbers, so this client can send nothing after it: `on_failed` is
    called, and the owner replaces the client with its queues.
    """

    def __init__(
        self,
        client: AIOKafkaProducer,
        topic: str,
        partition: int,
        on_failed: Callable[[Exception], None],
    ) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition
        self._on_failed = on_failed
        self._batches: deque[tuple[BatchBuilder, asyncio.Future[None]]] = deque()
        self._in_flight: asyncio.Future[None] | None = None
        self._sender: asyncio.Task[None] | None = None

    def append(self, message: Message) -> "asyncio.Future[None]":
        """Append a message; return the future of its batch, which is done when Kafka has acknowledged it."""
        if self._batches:
            batch, acknowledged = self._batches[-1]
            if self._put(batch, message):
                return acknowledged
        batch, acknowledged = self._client.create_batch(), asyncio.get_running_loop().create_future()
        self._put(batch, message)  # an empty batch takes a message of any size
        self._batches.append((batch, acknowledged))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return acknowledged

    def fail(self, error: Exception) -> None:
        """Fail every batch that is not acknowledged."""
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        if self._in_flight is not None:
            _resolve(self._in_flight, error)
        while self._batches:
            _resolve(self._batches.popleft()[1], error)

    @staticmethod
    def _put(batch: BatchBuilder, message: Message) -> bool:
        put = batch.append(timestamp=None, key=message.key, value=message.value, headers=[*message.headers])
        return put is not None

    async def _send(self) -> None:
        await asyncio.sleep(0)  # what is appended in the same step, as by a handler's batch, is sent together
        while self._batches:
            batch, self._in_flight = self._batches.popleft()
            batch.close()
            try:
                await (await self._client.send_batch(batch, self._topic, partition=self._partition))
            except Exception as error:
                _resolve(self._in_flight, error)
                self._on_failed(error)
                return
            _resolve(self._in_flight, None)
        self._in_flight = self._sender = None


def _resolve(acknowledged: "asyncio.Future[None]", error: Exception | None) -> None:
    if acknowledged.done():
        return
    if error is None:
        acknowledged.set_result(None)
    else:
        acknowledged.set_exception(error)
        acknowledged.exception()  # retrieved, so that asyncio does not log it when no caller waits any more
