"""The producer of all stages: idempotent, acknowledged by all replicas, bounded in time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from service.model.record import Message
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.producer.connection import ProducerConnection

log = structlog.get_logger(__name__)

LIMIT_BYTES = 1_048_588
"""Kafka's default for `max.message.bytes`."""
_FRAMING_BYTES = 128  # batch header, lengths and varints around one record, rounded up
_HEADER_FRAMING_BYTES = 10


class TooLarge(Exception):
    """A message that Kafka would refuse for its size. Retrying does not help; the others of the call are not sent."""

    def __init__(self, topic: str, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes is over the {limit} bytes that {topic} takes")


class Producer:
    """One client a process, shared by all stages: the Publisher port.

    An idempotent client retries for ever and gives no batch up, so the wait is bounded here: after `timeout_s`, or any
    error that makes the sequence numbers useless, the client is replaced and callers receive `Unavailable`. They retry;
    messages that were written but not acknowledged are then written twice, which the ledger absorbs.

    `limits` are `max.message.bytes` of topics that differ from the others, `limit_bytes` that of the others: by default
    Kafka's own.
    `acknowledged` is called with the messages that Kafka has, for counting; it must not raise.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        timeout_s: float = 30.0,
        batch_bytes: int = 262_144,
        compression: str | None = None,
        limits: Mapping[str, int] | None = None,
        limit_bytes: int = LIMIT_BYTES,
        acknowledged: Callable[[Sequence[Message]], None] | None = None,
    ) -> None:
        self._kafka = connection
        self._timeout_s = timeout_s
        self._batch_bytes = batch_bytes
        self._compression = compression
        self._limits = limits or {}
        self._limit_bytes = limit_bytes
        self._acknowledged = acknowledged
        self._connection: ProducerConnection | None = None
        self._opening = asyncio.Lock()
        self._abandoning: set[asyncio.Task[None]] = set()
        self._failed_topics: frozenset[str] = frozenset()
        self._looking: asyncio.Task[None] | None = None
        self.last_error: str | None = None
        """The error of the last attempt; None as soon as Kafka has acknowledged something again, or could do so."""

    async def start(self) -> None:
        """Connect now rather than at the first message; a broker that does not answer is no error here."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connected()
        except (TimeoutError, KafkaError, OSError) as error:
            self.last_error = f"Kafka does not answer: {error!r}"

    async def stop(self) -> None:
        """Disconnect. Calls that still wait in `publish` raise Unavailable."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if self._abandoning:
            await asyncio.wait(self._abandoning)

    async def not_ready_reason(self) -> str | None:
        """Return why Kafka takes no messages, as far as known; None when it took the last ones.

        After an error, look in the background whether it could take some again: a process that is not ready is given
        no requests, and so has no messages that would show it.
        """
        if self.last_error is not None and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
        return self.last_error

    async def _look(self) -> None:
        """Forget the last error if brokers answer now, and the topics that could not be written to have leaders."""
        error = self.last_error
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connected()
                await connection.check(self._failed_topics)
        except (TimeoutError, KafkaError, OSError) as still:
            log.debug("producer_not_ready", error=repr(still))
            return
        if self.last_error == error:
            self.last_error = None

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when all messages are acknowledged. Messages of one key keep their order, also between calls.

        Raise TooLarge, with nothing sent, when one message is over its topic's limit; Unavailable when Kafka does not
        acknowledge them in time. A cancelled call may still write them.
        """
        if not messages:
            return
        # Before anything is sent: a caller that receives TooLarge may send the others.
        self._check_sizes(messages)
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connected()
                batches = await connection.append(messages)
        except (TimeoutError, KafkaError, OSError) as error:
            raise self._unavailable(messages, error) from error
        left = self._timeout_s - (asyncio.get_running_loop().time() - started)
        _, waiting = await asyncio.wait(batches, timeout=max(left, 0.0))
        if waiting:
            late = TimeoutError(f"no acknowledgement within {self._timeout_s:g} s")
            self._replace(connection, late)
            raise self._unavailable(messages, late)
        for batch in batches:
            if failure := batch.exception():
                raise self._error_of(messages, failure) from failure
        self.last_error = None
        if self._acknowledged is not None:
            self._acknowledged(messages)

    async def _connected(self) -> ProducerConnection:
        """Return the open connection; open one if necessary."""
        if self._connection is None:
            async with self._opening:
                if self._connection is None:
                    self._connection = await ProducerConnection.open(
                        self._kafka, self._batch_bytes, self._compression, self._replace
                    )
        return self._connection

    def _replace(self, connection: ProducerConnection, error: Exception) -> None:
        """Abandon a connection, once: the next call opens another."""
        if self._connection is connection:
            log.warning("producer_replaced", error=repr(error))
            self._connection = None
            task = asyncio.create_task(
                connection.abandon(ConnectionError(f"Kafka producer was replaced: {error!r}"))
            )
            self._abandoning.add(task)
            task.add_done_callback(self._abandoning.discard)

    def _check_sizes(self, messages: Sequence[Message]) -> None:
        for message in messages:
            size = _FRAMING_BYTES + len(message.key or b"") + len(message.value or b"")
            for name, value in message.headers:
                size += _HEADER_FRAMING_BYTES + len(name) + len(value or b"")
            if size > (limit := self._limits.get(message.topic, self._limit_bytes)):
                raise TooLarge(message.topic, size, limit)

    def _error_of(self, messages: Sequence[Message], failure: BaseException) -> Exception:
        if isinstance(failure, MessageSizeTooLargeError | RecordListTooLargeError):
            largest = max(messages, key=lambda message: len(message.value or b""))
            limit = self._limits.get(largest.topic, self._limit_bytes)
            return TooLarge(largest.topic, len(largest.value or b""), limit)
        return self._unavailable(messages, failure)

    def _unavailable(self, messages: Sequence[Message], error: BaseException) -> Unavailable:
        self._failed_topics = frozenset(message.topic for message in messages)
        self.last_error = f"Kafka does not take messages: {error!r}"
        return Unavailable(self.last_error)
