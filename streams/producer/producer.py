"""The one way in which Tocsin writes to Kafka: idempotent, acknowledged by all replicas, never waiting for ever."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from service.model.record import Message
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.producer.connection import ProducerConnection

log = logging.getLogger(__name__)

LIMIT_BYTES = 1_048_588
"""Kafka's own default for `max.message.bytes`."""
_FRAMING_BYTES = 128  # batch header, lengths and varints around one record, rounded up
_HEADER_FRAMING_BYTES = 10


class TooLarge(Exception):
    """A message that Kafka would refuse for its size. Retrying does not help; the others of its batch are unsent."""

    def __init__(self, topic: str, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes is over the {limit} bytes that {topic} takes")


class Producer:
    """One client a process, shared by all stages.

    An idempotent client retries for ever and gives no batch up, so the waiting is bounded here: after `timeout_s`, or
    any error that makes the sequence numbers useless, the client is replaced and callers get `Unavailable`. They try
    again; what was written but not acknowledged is then written twice, which the ledger absorbs.

    `limits` are `max.message.bytes` of topics that differ from Kafka's default; `linger_s` is seconds.
    `acknowledged` is told what Kafka has, for counting; it must not raise.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        timeout_s: float = 30.0,
        linger_s: float = 0.002,
        batch_bytes: int = 262_144,
        compression: str | None = None,
        limits: Mapping[str, int] | None = None,
        acknowledged: Callable[[Sequence[Message]], None] | None = None,
    ) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._linger_s = linger_s
        self._batch_bytes = batch_bytes
        self._compression = compression
        self._limits = limits or {}
        self._acknowledged = acknowledged
        self._link: ProducerConnection | None = None
        self._opening = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()
        self.last_error: str | None = None
        """Why the last attempt failed; None as soon as Kafka has acknowledged something again."""

    async def start(self) -> None:
        """Connect now rather than at the first message; a broker that is away is no error here."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._live()
        except (TimeoutError, KafkaError, OSError) as error:
            self.last_error = f"Kafka does not answer: {error!r}"

    async def stop(self) -> None:
        """Disconnect. Whoever still waits in `publish` gets Unavailable."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when all messages are acknowledged. Messages of one key keep their order, also between calls.

        Raises TooLarge, with nothing sent, when one message is over its topic's limit; Unavailable when Kafka does not
        take them in time. Cancelling the call does not unsend them.
        """
        if not messages:
            return
        self._check(messages)
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timeout_s):
                link = await self._live()
                batches = await link.append(messages)
        except (TimeoutError, KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        left = self._timeout_s - (asyncio.get_running_loop().time() - started)
        _, waiting = await asyncio.wait(batches, timeout=max(left, 0.0))
        if waiting:
            late = TimeoutError(f"no acknowledgement within {self._timeout_s:g} s")
            self._replace(link, late)
            raise self._unavailable(late)
        for batch in batches:
            if failure := batch.exception():
                raise self._told(messages, failure) from failure
        self.last_error = None
        if self._acknowledged is not None:
            self._acknowledged(messages)

    async def _live(self) -> ProducerConnection:
        if self._link is None:
            async with self._opening:
                if self._link is None:
                    self._link = await ProducerConnection.open(
                        self._connection, self._linger_s, self._batch_bytes, self._compression, self._replace
                    )
        return self._link

    def _replace(self, link: ProducerConnection, error: Exception) -> None:
        if self._link is link:
            log.warning("kafka producer is replaced: %r", error)
            self._link = None
            task = asyncio.create_task(
                link.abandon(ConnectionError(f"Kafka producer was replaced: {error!r}"))
            )
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _check(self, messages: Sequence[Message]) -> None:
        for message in messages:
            size = _FRAMING_BYTES + len(message.key) + (0 if message.value is None else len(message.value))
            for name, value in message.headers:
                size += _HEADER_FRAMING_BYTES + len(name) + len(value or b"")
            if size > (limit := self._limits.get(message.topic, LIMIT_BYTES)):
                raise TooLarge(message.topic, size, limit)

    def _told(self, messages: Sequence[Message], failure: BaseException) -> Exception:
        if isinstance(failure, MessageSizeTooLargeError | RecordListTooLargeError):
            largest = max(messages, key=lambda message: len(message.value or b""))
            return TooLarge(
                largest.topic, len(largest.value or b""), self._limits.get(largest.topic, LIMIT_BYTES)
            )
        return self._unavailable(failure)

    def _unavailable(self, error: BaseException) -> Unavailable:
        self.last_error = f"Kafka does not take messages: {error!r}"
        return Unavailable(self.last_error)
