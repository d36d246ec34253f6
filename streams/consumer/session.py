"""One consumer's life in its group: from joining to leaving, or to the error after which another is made."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.consumer.assignment import Assignment
from streams.consumer.batch import RecordBatch, StageConfig
from streams.consumer.client import RebalanceListener, Subscription, make_consumer
from streams.consumer.committer import Committer
from streams.consumer.health import Counters
from streams.consumer.partition import Partition

log = logging.getLogger(__name__)

_POLL_MS = 200
_POLL_BESIDE_FULL_MS = 50
_FULL_SECONDS = 1.0
_HALT_SECONDS = 1.0
_CANCEL_SECONDS = 5.0
_LEAVE_SECONDS = 10.0


class ConsumerSession:
    """Reads, starts batches, commits, and hands over. `blocked` is asked before every read and every batch.

    It polls without pause, so that it stays in its group: what must not be read now is left in the client's buffer, and
    paused at Kafka when nothing may be read for longer than a moment.
    """

    def __init__(
        self, source: Subscription, work: StageConfig, tally: Counters, blocked: Callable[[], str | None]
    ) -> None:
        self.assignment = Assignment(source.topics, work.limits)
        self.running: dict[RecordBatch, asyncio.Task[None]] = {}
        self.assigned = False
        self._limits = work.limits
        self._fault = work.fault
        self._work = work
        self._tally = tally
        self._blocked = blocked
        self._busy: set[RecordBatch] = set()
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self.consumer = make_consumer(
            source, work.limits, RebalanceListener(self._on_revoked, self._on_assigned)
        )
        self.committer = Committer(self.consumer, self.assignment.partitions, work.limits, work.fault)

    @property
    def reason(self) -> str | None:
        """What a batch waits for, if one does."""
        return next((batch.reason for batch in self.running if batch.reason), None)

    def oldest_s(self) -> float:
        """Seconds since Kafka got the oldest record that is here and not finished; 0 when there is none."""
        stamps = [p.waiting[0].timestamp_ms for p in self.assignment.partitions.values() if p.waiting]
        stamps += [stamp for batch in self.running if (stamp := batch.oldest_ms()) is not None]
        return max(time.time() - min(stamps) / 1000, 0.0) if stamps else 0.0

    async def run(self, halt: asyncio.Event) -> None:
        """Work until `halt`, then end in order. Raises what ended it otherwise: KafkaError, OSError, or a bug."""
        tasks = [asyncio.create_task(self._read(halt)), asyncio.create_task(self.committer.run())]
        stop = asyncio.create_task(halt.wait())
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            # Reading ends within a poll, unless the group is rebalancing: then there is nothing to wait for.
            await asyncio.wait(tasks[:1], timeout=_HALT_SECONDS if halt.is_set() else 0)
            for ended in filter(asyncio.Task.done, tasks):
                ended.result()
        finally:
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
            await self._leave()

    def fail(self, error: BaseException) -> None:
        """End this session with an error at its next read."""
        self._failure = error

    def start_batches(self) -> None:
        """Start what can be started. While a batch waits for a dependency, no other is sent into the same trouble."""
        while len(self._busy) < self._limits.max_batches and not (self._blocked() or self.reason):
            shares = self.assignment.take()
            if not shares:
                return
            batch = RecordBatch(shares, self._work, self._moved)
            self._busy.add(batch)
            self.running[batch] = task = asyncio.create_task(self._run(batch))
            task.add_done_callback(partial(self._ended, batch))

    def _moved(self, finished: int) -> None:
        self._tally.move(finished)
        self.committer.finished(finished)
        self._busy.difference_update([batch for batch in self._busy if batch.light])
        self.start_batches()

    async def _run(self, batch: RecordBatch) -> None:
        self._fault("after_accept_before_handle")
        await batch.run()

    def _ended(self, batch: RecordBatch, task: "asyncio.Task[None]") -> None:
        del self.running[batch]
        self._busy.discard(batch)
        self._tally.dead += batch.dead
        for partition, records in batch.shares:
            partition.release(records)
        if not task.cancelled() and (failure := task.exception()):
            self.fail(failure)
        self.start_batches()
        self._changed.set()

    async def _read(self, halt: asyncio.Event) -> None:
        await self.consumer.start()
        while not halt.is_set():
            if self._failure is not None:
                raise self._failure
            full = self.assignment.full()
            mine = self.consumer.assignment()
            if self._blocked() or (mine and mine.issubset(full)):
                await self._read_nothing()
            else:
                self.consumer.resume(*self.consumer.paused())
                wanted = mine.difference(full) if full else ()
                await self._read_some(wanted, _POLL_BESIDE_FULL_MS if full else _POLL_MS)

    async def _read_nothing(self) -> None:
        """Wait for room or for the gate; when that takes longer, keep the group alive by reading from no partition."""
        if not self.consumer.paused():
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FULL_SECONDS):
                    await self._changed.wait()
                    return
        self.consumer.pause(*self.consumer.assignment())
        await self._read_some((), _POLL_MS)

    async def _read_some(self, wanted: Iterable[TopicPartition], timeout_ms: int) -> None:
        fetched: Mapping[
            TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]
        ] = await self.consumer.getmany(*wanted, timeout_ms=timeout_ms, max_records=self._limits.max_records)
        if fetched:
            self.assignment.accept(fetched)
            self.start_batches()

    def _on_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self._tally.move()
        self.assignment.add(tp for tp in assigned if tp not in self.assignment.partitions)
        self.assigned = True

    async def _on_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self.assigned = False
        self._fault("after_revoke_before_drain")
        await self._hand_over(revoked)

    async def _hand_over(self, revoked: Iterable[TopicPartition]) -> None:
        """Let the running records of these partitions end, in bounded time, and commit how far they came."""
        partitions = self.assignment.drop(revoked)
        if partitions:
            await self._drain(partitions.values())
            await self.committer.commit(partitions)

    async def _drain(self, partitions: Iterable[Partition]) -> None:
        theirs = {id(partition) for partition in partitions}
        batches = [b for b in self.running if any(id(partition) in theirs for partition, _ in b.shares)]
        tasks = [self.running[batch] for batch in batches]
        for batch, task in zip(batches, tasks, strict=True):
            batch.draining = True
            if batch.resting:
                task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._limits.drain)
            for task in late:
                task.cancel()
            if late:
                log.warning("%d batches were cancelled; their open records will come again", len(late))
                await asyncio.wait(late, timeout=_CANCEL_SECONDS)

    async def _leave(self) -> None:
        try:
            await self._hand_over(list(self.assignment.partitions))
            self._fault("after_drain_before_leave")
        finally:  # a consumer that is left alone would keep its partitions for ever
            leaving = asyncio.create_task(self.consumer.stop())
            await asyncio.wait([leaving], timeout=_LEAVE_SECONDS)
        if not leaving.done() or leaving.cancelled() or leaving.exception():
            log.warning("could not leave the group, which will notice by itself")
