"""One consumer's life in its group: from joining to leaving, or to the error after which another session starts."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from service.pipeline.resolve.event_time import EARLIEST_MS
from streams.consumer.assignment import Assignment
from streams.consumer.batch import RecordBatch, StageConfig
from streams.consumer.client import RebalanceListener, Subscription, make_consumer
from streams.consumer.committer import Committer
from streams.consumer.health import Counters
from streams.consumer.partition import Partition
from streams.consumer.placement import Placement
from streams.kafka.partition_names import partition_names

log = structlog.get_logger(__name__)

_POLL_MS = 200
_POLL_BESIDE_FULL_MS = 50
_FULL_WAIT_S = 1.0
_PLACE_INTERVAL_S = 0.1
_HALT_TIMEOUT_S = 1.0
_CANCEL_TIMEOUT_S = 5.0
_LEAVE_TIMEOUT_S = 10.0


class ConsumerSession:
    """Reads, starts batches, commits, and drains. `blocked` is called before every read and every batch.

    It polls without pause, so that it stays in its group: what must not be read now is left in the client's buffer, and
    paused at Kafka when nothing may be read for longer than a second.
    """

    def __init__(
        self,
        subscription: Subscription,
        config: StageConfig,
        counters: Counters,
        blocked: Callable[[], str | None],
    ) -> None:
        self.assignment = Assignment(subscription.topics, config.limits)
        self.running: dict[RecordBatch, asyncio.Task[None]] = {}
        self.assigned = False
        self._group = subscription.group
        self._limits = config.limits
        self._fault = config.fault
        self._config = config
        self._counters = counters
        self._blocked = blocked
        self._busy: set[RecordBatch] = set()
        self._failure: BaseException | None = None
        self._batch_ended = asyncio.Event()
        self.consumer = make_consumer(
            subscription, config.limits, RebalanceListener(self._on_revoked, self._on_assigned)
        )
        self.placement = Placement(self.consumer, self.assignment, counters)
        self.committer = Committer(self.consumer, self.assignment.partitions, config.limits, config.fault)

    @property
    def reason(self) -> str | None:
        """The reason for which a batch waits, if one does."""
        return next((batch.reason for batch in self.running if batch.reason), None)

    def oldest_s(self) -> float:
        """Return the age of the oldest unfinished record that was read, by Kafka's timestamp; 0 when there is none."""
        stamps = [p.waiting[0].timestamp_ms for p in self.assignment.partitions.values() if p.waiting]
        stamps = [stamp for stamp in stamps if stamp >= EARLIEST_MS]  # none, or seconds: no age at all
        stamps += [stamp for batch in self.running if (stamp := batch.oldest_ms()) is not None]
        return max(time.time() - min(stamps) / 1000, 0.0) if stamps else 0.0

    async def run(self, halt: asyncio.Event) -> None:
        """Work until `halt`, then drain, commit and leave.

        Raise the error that ended it earlier: KafkaError, OSError, or an error of our own code.
        """
        tasks = [asyncio.create_task(self._read(halt)), asyncio.create_task(self.committer.run())]
        stop = asyncio.create_task(halt.wait())
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            # Reading ends within a poll, unless the group is rebalancing: then there is nothing to wait for.
            await asyncio.wait(tasks[:1], timeout=_HALT_TIMEOUT_S if halt.is_set() else 0)
            for ended in filter(asyncio.Task.done, tasks):
                ended.result()
        finally:
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
            await self._leave(stopping=halt.is_set())

    def fail(self, error: BaseException) -> None:
        """End this session with an error at its next read."""
        self._failure = error

    def start_batches(self) -> None:
        """Start all batches that may start. While one waits for a dependency, no other is started."""
        while len(self._busy) < self._limits.max_batches and not (self._blocked() or self.reason):
            slices = self.assignment.take()
            if not slices:
                return
            batch = RecordBatch(slices, self._config, self._on_finished)
            self._busy.add(batch)
            self.running[batch] = task = asyncio.create_task(self._run(batch))
            task.add_done_callback(partial(self._on_ended, batch))

    def _on_finished(self, finished: int) -> None:
        self._counters.progress(finished)
        self.committer.finished(finished)
        self._busy.difference_update([batch for batch in self._busy if batch.nearly_done])
        self.start_batches()

    async def _run(self, batch: RecordBatch) -> None:
        self._fault("after_accept_before_handle")
        await batch.run()

    def _on_ended(self, batch: RecordBatch, task: "asyncio.Task[None]") -> None:
        del self.running[batch]
        self._busy.discard(batch)
        self._counters.dead += batch.dead
        for partition, records in batch.slices:
            partition.release(records)
        if not task.cancelled() and (failure := task.exception()):
            self.fail(failure)
        self.start_batches()
        self._batch_ended.set()

    async def _read(self, halt: asyncio.Event) -> None:
        await self.consumer.start()
        while not halt.is_set():
            if self._failure is not None:
                raise self._failure
            if self.placement.pending:
                await self.placement.place()
            full = {*self.assignment.full(), *self.placement.pending}
            assigned = self.consumer.assignment()
            if assigned and assigned.issubset(self.placement.pending):
                await asyncio.sleep(_PLACE_INTERVAL_S)
            elif self._blocked() or (assigned and assigned.issubset(full)):
                await self._read_nothing()
            else:
                self.consumer.resume(*self.consumer.paused())
                partitions = assigned.difference(full) if full else ()
                await self._fetch(partitions, _POLL_BESIDE_FULL_MS if full else _POLL_MS)

    async def _read_nothing(self) -> None:
        """Wait until a batch has ended; after a second, pause all partitions and poll, to stay in the group."""
        if not self.consumer.paused():
            self._batch_ended.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FULL_WAIT_S):
                    await self._batch_ended.wait()
                    return
        self.consumer.pause(*self.consumer.assignment())
        await self._fetch((), _POLL_MS)

    async def _fetch(self, partitions: Iterable[TopicPartition], timeout_ms: int) -> None:
        """Poll once; no partitions means all. Do not cancel it: aiokafka would stop checking the poll interval."""
        fetched: Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]
        try:
            fetched = await self.consumer.getmany(
                *partitions, timeout_ms=timeout_ms, max_records=self._limits.max_records
            )
        except OffsetOutOfRangeError as error:
            self.placement.lost(error.args[0])
            return
        except NoOffsetForPartitionError:
            return  # from before it was placed
        # A partition that was assigned during this poll is not placed yet: it is read again from its start.
        placed = {tp: records for tp, records in fetched.items() if tp not in self.placement.pending}
        # No await from here to `accept`: a rebalance in between would end before these offsets are tracked.
        if placed:
            self.assignment.accept(placed)
            self.start_batches()

    def _on_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self._counters.progress()
        self.assignment.add(tp for tp in assigned if tp not in self.assignment.partitions)
        self.placement.assigned(assigned)
        self.assigned = True
        log.info("partitions_assigned", partitions=partition_names(assigned))

    async def _on_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Drain and commit before the group continues: else the next owner repeats what is nearly done."""
        self.assigned = False
        self.placement.revoked()
        if revoked:
            log.info("partitions_revoked", partitions=partition_names(revoked))
        self._fault("after_revoke_before_drain")
        await self._drain_and_commit(revoked, min(self._limits.drain_s, self._limits.rebalance_drain_s))

    async def _drain_and_commit(self, revoked: Iterable[TopicPartition], drain_s: float) -> None:
        """Let the running records of these partitions finish within `drain_s`, and commit what finished."""
        partitions = self.assignment.drop(revoked)
        if partitions:
            await self._drain(partitions.values(), drain_s)
            # After the drain: what finished in it would be read again without this commit.
            await self.committer.commit(partitions)

    async def _drain(self, partitions: Iterable[Partition], drain_s: float) -> None:
        dropped = {id(partition) for partition in partitions}
        batches = [b for b in self.running if any(id(partition) in dropped for partition, _ in b.slices)]
        tasks = [self.running[batch] for batch in batches]
        for batch, task in zip(batches, tasks, strict=True):
            batch.draining = True
            if batch.backing_off:
                task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=drain_s)
            for task in late:
                task.cancel()
            if late:
                cut = [batch for batch in batches if self.running.get(batch) in late]
                unfinished = sum(batch.unfinished for batch in cut)
                names = partition_names(tp for batch in cut for tp in batch.partitions)
                log.warning("drain_timed_out", batches=len(late), records=unfinished, partitions=names)
                await asyncio.wait(late, timeout=_CANCEL_TIMEOUT_S)

    async def _leave(self, *, stopping: bool) -> None:
        drain_s = self._limits.drain_s
        if not stopping:  # another session waits for this one to end
            drain_s = min(drain_s, self._limits.rebalance_drain_s)
        # Drained and committed before leaving: the group gives the partitions away as soon as this member has left.
        try:
            await self._drain_and_commit(list(self.assignment.partitions), drain_s)
            self._fault("after_drain_before_leave")
        finally:  # a consumer that is not stopped would keep its partitions for ever
            leaving = asyncio.create_task(self.consumer.stop())
            await asyncio.wait([leaving], timeout=_LEAVE_TIMEOUT_S)
        if not leaving.done():
            log.warning("leave_group_timed_out", group=self._group)
        elif leaving.cancelled() or leaving.exception():
            error = "cancelled" if leaving.cancelled() else repr(leaving.exception())
            log.warning("leave_group_failed", group=self._group, error=error)
