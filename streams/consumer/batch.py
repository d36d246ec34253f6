"""One batch from start to finish: handled, published, finished; bisected when a record in it is bad."""

import asyncio
import random
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.model.event import InvalidEvent
from service.model.record import Done, Handler, Message, PartialValue, Record
from service.pipeline.resolve.event_time import EARLIEST_MS
from service.ports import Publisher, Unavailable
from streams.consumer.assignment import PartitionSlice
from streams.consumer.limits import StageLimits
from streams.faults.points import Fault
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.partition_names import partition_names
from streams.kafka.record_ids import record_ids

log = structlog.get_logger(__name__)

ToDeadLetter = Callable[[Record, Exception], Sequence[Message]]
"""Makes the dead letter of a record that failed alone, from the record and its error."""


class Unfinished(Exception):
    """A handler broke its contract: it ended, or cancelled itself, and left records unfinished."""


class _DrainStarted(Exception):
    """The stage drains, so there is no further attempt, and no further piece of a large record."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """What a stage does with every batch, and its bounds."""

    handler: Handler
    to_dead_letter: ToDeadLetter
    publisher: Publisher
    limits: StageLimits
    fault: Fault


class RecordBatch:
    """Records on their way through a handler.

    A record is finished when the messages that it caused are acknowledged, and never otherwise: not by an exception and
    not by a cancellation. `Unavailable` means that the unfinished records are retried later. Any other exception means
    that a record may be bad: the unfinished records are bisected until it is alone, and it goes to the dead letters.
    `on_finished` is called with the number of records that have just finished, 0 for a piece of one.
    """

    def __init__(
        self, slices: Sequence[PartitionSlice], config: StageConfig, on_finished: Callable[[int], None]
    ) -> None:
        self.slices = slices
        self.started = time.monotonic()
        self.reason: str | None = None
        """The dependency that it waits for, and why; None while it makes progress."""
        self.backing_off = False
        self.draining = False
        """Set by the session: make no further attempt after this one."""
        self.dead = 0
        self._config = config
        self._on_finished = on_finished
        self._records = [record for _, records in slices for record in records]
        # by (topic, partition, offset)
        self._open = {record[:3]: partition for partition, records in slices for record in records}
        self._size = len(self._open)
        self._attempts = 0

    @property
    def unfinished(self) -> int:
        """Number of records that are not finished."""
        return len(self._open)

    @property
    def nearly_done(self) -> bool:
        """True when so little is left that the batch need not keep another from starting."""
        return len(self._open) * 8 <= self._size

    @property
    def partitions(self) -> Iterator[tuple[str, int]]:
        """Yield topic and partition of its unfinished records."""
        return ((topic, number) for topic, number, _ in self._open)

    def oldest_ms(self) -> int | None:
        """Return Kafka's timestamp of its oldest unfinished record; None when all are finished, or it is unknown."""
        stamps = [record.timestamp_ms for record in self._still_open(self._records)]
        return min((stamp for stamp in stamps if stamp >= EARLIEST_MS), default=None)

    async def run(self) -> None:
        """Return when all records are finished, or early when draining and a dependency is unavailable."""
        chunks = deque(_chunks(self._records))
        try:
            while chunks:
                if chunk := self._still_open(chunks.popleft()):
                    chunks.extendleft(reversed(await self._attempt(chunk)))
        except _DrainStarted:
            names = partition_names(self.partitions)
            log.info("records_left_unfinished", records=len(self._open), partitions=names)

    async def _attempt(self, chunk: list[Record]) -> list[list[Record]]:
        """Run the handler on a chunk once; return the chunks to attempt next, in order."""
        if isinstance(chunk[0].value, PartialValue):
            return await self._refuse(chunk)
        try:
            await self._handle(chunk)
            if left := len(self._still_open(chunk)):
                raise Unfinished(f"the handler ended with {left} of {len(chunk)} records unfinished")
        except Unavailable as error:
            return await self._back_off(error.reason, chunk)
        except _DrainStarted:
            raise
        except asyncio.CancelledError as error:
            raise_if_cancelled()
            return await self._bisect(chunk, Unfinished(f"the handler was cancelled: {error!r}"))
        except Exception as error:
            raise_if_cancelled()
            return await self._bisect(chunk, error)
        return []

    async def _handle(self, chunk: list[Record]) -> None:
        """Run the handler and publish its messages while it continues; finish records in its order."""
        awaiting: deque[asyncio.Task[None]] = deque()
        outcomes, stopped = self._config.handler(chunk), False
        try:
            async for done in outcomes:
                self._config.fault("after_handle_before_produce")
                while awaiting and awaiting[0].done():
                    awaiting.popleft().result()
                # Without messages it must still wait for the acknowledgements before it: a fan-out in pieces ends with
                # its record alone, and the pieces would be lost in a crash after the commit.
                if not awaiting and not done.messages and done.then is None:
                    self._finish(done.records)
                    continue
                if len(awaiting) >= self._config.limits.max_produces:
                    await awaiting.popleft()
                previous = awaiting[-1] if awaiting else None
                awaiting.append(asyncio.create_task(self._await_ack(done, previous)))
                if stopped := self.draining and done.then is not None:
                    break
            while awaiting:
                await awaiting.popleft()
            if stopped:  # how far it has come is saved: another worker continues, and the group need not wait
                raise _DrainStarted
        finally:
            for task in awaiting:
                task.cancel()
            await asyncio.gather(*awaiting, return_exceptions=True)
            await _close(outcomes)

    async def _await_ack(self, done: Done, previous: "asyncio.Task[None] | None") -> None:
        # Acknowledged before finished: a finished record is committed soon, and a crash would lose its messages.
        await self._config.publisher.publish(done.messages)
        # In the handler's order: when an earlier write fails, everything after it is done again.
        if previous is not None:
            await previous
        if done.then is not None:
            await done.then()
        self._config.fault("after_produce_before_finish")
        self._finish(done.records)

    async def _bisect(self, chunk: list[Record], error: Exception) -> list[list[Record]]:
        left = self._still_open(chunk)
        if not left:
            log.error("handler_failed_after_finish", partitions=_names(chunk), error=_where(error))
            return []
        if len(chunk) == 1:
            return await self._dead_letter(chunk, error)
        log.warning("batch_bisected", records=len(left), partitions=_names(left), error=_where(error))
        half = (len(left) + 1) // 2
        return [part for part in (left[:half], left[half:]) if part]

    async def _refuse(self, chunk: list[Record]) -> list[list[Record]]:
        """Write the dead letters of records of which only a part was read; their handler never sees them."""
        messages: list[Message] = []
        for record in chunk:
            value = record.value
            assert isinstance(value, PartialValue)
            messages += self._config.to_dead_letter(record, InvalidEvent(value.reason, value.detail))
        self._config.fault("after_failure_before_dead_letter")
        try:
            await self._config.publisher.publish(messages)  # acknowledged before finished, as below
        except Unavailable as unavailable:
            return await self._back_off(unavailable.reason, chunk)
        self.dead += len(chunk)
        self._finish(chunk)
        return []

    async def _dead_letter(self, chunk: list[Record], error: Exception) -> list[list[Record]]:
        (record,) = chunk
        position = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        ids = record_ids(record.value, record.headers).log_fields()
        log.error("record_failed", **position, **ids, error=_where(error))
        try:
            messages = self._config.to_dead_letter(record, error)
            self._config.fault("after_failure_before_dead_letter")
            # Acknowledged before finished: until Kafka has the dead letter, the record is nowhere else.
            await self._config.publisher.publish(messages)
        except Unavailable as unavailable:
            return await self._back_off(unavailable.reason, chunk)
        except Exception as failure:
            reason = f"a dead letter cannot be written: {_where(failure)}"
            log.error("dead_letter_failed", **position, error=_where(failure))
            return await self._back_off(reason, chunk)
        self.dead += 1
        self._finish(chunk)
        return []

    async def _back_off(self, reason: str, chunk: list[Record]) -> list[list[Record]]:
        """Wait before the next attempt at a chunk, twice as long each time that nothing could be finished."""
        if self.draining:
            raise _DrainStarted
        if self.reason is None:
            log.warning("stage_paused", reason=reason, partitions=_names(chunk))
        self.reason = reason
        limits = self._config.limits
        delay_s = min(limits.retry_most_s, limits.retry_first_s * 2 ** min(self._attempts, 20))
        self._attempts += 1
        self.backing_off = True
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
        self.backing_off = False
        return [chunk]

    def _finish(self, records: Sequence[Record]) -> None:
        """Finish records; none of them is progress too: a piece of a large one was acknowledged."""
        finished = 0
        for record in records:
            partition = self._open.pop(record[:3], None)
            if partition is not None:
                partition.finish(record)
                finished += 1
        self.reason = None
        self._attempts = 0
        self._on_finished(finished)

    def _still_open(self, records: list[Record]) -> list[Record]:
        return [record for record in records if record[:3] in self._open]


def _chunks(records: list[Record]) -> list[list[Record]]:
    """Return the records for the handler, and those of which only a part was read."""
    partial = [record for record in records if type(record.value) is PartialValue]
    if not partial:
        return [records]
    return [[record for record in records if type(record.value) is not PartialValue], partial]


async def _close(outcomes: AsyncIterator[Done]) -> None:
    close = getattr(outcomes, "aclose", None)
    if close is not None:
        await close()


def _where(error: BaseException) -> str:
    """Return the class and the place of an exception without its text, which may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return " at ".join(
        [type(error).__name__, *(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)]
    )


def _names(records: Sequence[Record]) -> list[str]:
    return partition_names((record.topic, record.partition) for record in records)
