"""One batch from start to finish: handed over, written, finished; narrowed down when a record in it is bad."""

import asyncio
import logging
import random
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from structlog.contextvars import bound_contextvars

from service.model.record import Done, Handler, Message, Record
from service.ports import Publisher, Unavailable
from streams.consumer.assignment import PartitionSlice
from streams.consumer.limits import StageLimits
from streams.faults.points import Fault
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.record_ids import record_ids

log = logging.getLogger(__name__)

ToDeadLetter = Callable[[Record, Exception], Sequence[Message]]
"""The dead letter for a record that failed alone, with what it failed with."""


class Unfinished(Exception):
    """A handler broke its contract: it ended, or was cancelled by its own doing, and left records unfinished."""


class _DrainStarted(Exception):
    """The stage drains, so there will be no further attempt."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """What a stage does with every batch."""

    handler: Handler
    poison: ToDeadLetter
    publisher: Publisher
    limits: StageLimits
    fault: Fault


class RecordBatch:
    """Records on their way through a handler.

    A record is finished when the messages it caused are acknowledged, and never otherwise: not by an exception and
    not by cancellation. `Unavailable` means to try the unfinished rest again, later; any other exception means that
    one of the records may be bad, so the rest is halved until it stands alone and goes to the dead letters. `moved`
    is told how many records have just finished.
    """

    def __init__(
        self, shares: Sequence[PartitionSlice], work: StageConfig, moved: Callable[[int], None]
    ) -> None:
        self.shares = shares
        self.started = time.monotonic()
        self.reason: str | None = None
        """What it waits for; None when work goes on."""
        self.resting = False
        self.draining = False
        """Set from outside: make no further attempt after this one."""
        self.dead = 0
        self._work = work
        self._moved = moved
        self._records = [record for _, records in shares for record in records]
        self._open = {record[:3]: partition for partition, records in shares for record in records}
        self._size = len(self._open)
        self._tries = 0

    @property
    def light(self) -> bool:
        """Whether so little is left that the batch need not keep another from starting."""
        return len(self._open) * 8 <= self._size

    def oldest_ms(self) -> int | None:
        """Kafka's timestamp of its oldest record that is not finished."""
        return min((record.timestamp_ms for record in self._unfinished(self._records)), default=None)

    async def run(self) -> None:
        """Return when all records are finished, or early when draining and a dependency is away."""
        chunks = deque([self._records])
        try:
            while chunks:
                if chunk := self._unfinished(chunks.popleft()):
                    chunks.extendleft(reversed(await self._attempt(chunk)))
        except _DrainStarted:
            log.info("%d records are left for the next owner", len(self._open))

    async def _attempt(self, chunk: list[Record]) -> list[list[Record]]:
        """Hand a chunk over once; what is to be attempted next, in order."""
        try:
            await self._handle(chunk)
            if left := len(self._unfinished(chunk)):
                raise Unfinished(f"the handler ended with {left} of {len(chunk)} records unfinished")
        except Unavailable as error:
            return await self._rest(error.reason, chunk)
        except asyncio.CancelledError as error:
            raise_if_cancelled()
            return await self._narrow(chunk, Unfinished(f"the handler was cancelled: {error!r}"))
        except Exception as error:
            raise_if_cancelled()
            return await self._narrow(chunk, error)
        return []

    async def _handle(self, chunk: list[Record]) -> None:
        """Run the handler; outcomes are written while it goes on, and take effect in its order."""
        landing: deque[asyncio.Task[None]] = deque()
        outcomes = self._work.handler(chunk)
        try:
            async for done in outcomes:
                self._work.fault("after_handle_before_produce")
                while landing and landing[0].done():
                    landing.popleft().result()
                if not landing and not done.messages:
                    self._finish(done.records)
                    continue
                if len(landing) >= self._work.limits.max_produces:
                    await landing.popleft()
                landing.append(asyncio.create_task(self._land(done, landing[-1] if landing else None)))
            while landing:
                await landing.popleft()
        finally:
            for task in landing:
                task.cancel()
            await asyncio.gather(*landing, return_exceptions=True)
            await _close(outcomes)

    async def _land(self, done: Done, before: "asyncio.Task[None] | None") -> None:
        await self._work.publisher.publish(done.messages)
        if before is not None:
            await before
        self._work.fault("after_produce_before_finish")
        self._finish(done.records)

    async def _narrow(self, chunk: list[Record], error: Exception) -> list[list[Record]]:
        left = self._unfinished(chunk)
        if not left:
            log.error("a handler failed after it had finished its records: %s", _where(error))
            return []
        if len(chunk) == 1:
            return await self._bury(chunk, error)
        log.warning("%d records are tried in smaller batches: %s", len(left), _where(error))
        half = (len(left) + 1) // 2
        return [part for part in (left[:half], left[half:]) if part]

    async def _bury(self, chunk: list[Record], error: Exception) -> list[list[Record]]:
        (record,) = chunk
        with bound_contextvars(**record_ids(record.value, record.headers).log_fields()):
            log.error("%s-%d:%d goes to the dead letters: %s", *record[:3], _where(error))
        try:
            letters = self._work.poison(record, error)
            self._work.fault("after_failure_before_dead_letter")
            await self._work.publisher.publish(letters)
        except Unavailable as away:
            return await self._rest(away.reason, chunk)
        except Exception as failure:
            reason = f"a dead letter cannot be written: {_where(failure)}"
            log.error(reason)
            return await self._rest(reason, chunk)
        self.dead += 1
        self._finish(chunk)
        return []

    async def _rest(self, reason: str, chunk: list[Record]) -> list[list[Record]]:
        """Wait before the next attempt at what is left, longer each time nothing could be finished."""
        if self.draining:
            raise _DrainStarted
        if self.reason is None:
            log.warning("paused: %s", reason)
        self.reason = reason
        limits = self._work.limits
        delay = min(limits.retry_most, limits.retry_first * 2 ** min(self._tries, 20))
        self._tries += 1
        self.resting = True
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))
        self.resting = False
        return [chunk]

    def _finish(self, records: Sequence[Record]) -> None:
        finished = 0
        for record in records:
            partition = self._open.pop(record[:3], None)
            if partition is not None:
                partition.finish(record)
                finished += 1
        if finished:
            self.reason = None
            self._tries = 0
            self._moved(finished)

    def _unfinished(self, records: list[Record]) -> list[Record]:
        return [record for record in records if record[:3] in self._open]


async def _close(outcomes: AsyncIterator[Done]) -> None:
    close = getattr(outcomes, "aclose", None)
    if close is not None:
        await close()


def _where(error: BaseException) -> str:
    """An exception without its text, which may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return " at ".join(
        [type(error).__name__, *(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)]
    )
