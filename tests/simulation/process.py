"""A simulated worker process: stages on the real commit logic, and ports at which it may die, pause or be refused."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from aiokafka import TopicPartition

from service.model.record import Handler, Message, Record
from service.pipeline.messages import dead_letter
from service.ports import Unavailable
from streams.consumer.assignment import Assignment
from streams.consumer.batch import RecordBatch, StageConfig
from streams.consumer.committer import Committer
from streams.consumer.limits import StageLimits
from tests.fakes.clock import FakeClock
from tests.simulation.kafka import FakeKafka
from tests.simulation.loop import VirtualLoop

FaultKind = Literal["crash", "unavailable", "reply_lost", "stall", "pause"]
LIMITS = StageLimits(max_records=4, max_batches=2, retry_first_s=0.2, retry_most_s=1.0)


class Crash(BaseException):
    """The end of the process: nothing may catch this and continue."""


@dataclass
class InjectedFault:
    """A fault at the effect that follows `after` others.

    A crash, a refusal, a reply lost after the effect, a stall of this effect, or a pause of the process after it.
    """

    kind: FaultKind
    after: int


class Process:
    """The state that the stages of a worker share: whether it runs, or is paused since when (ms), its next fault."""

    def __init__(
        self,
        owner: str,
        loop: VirtualLoop,
        on_crash: Callable[["Process"], None],
        on_pause: Callable[["Process"], None],
    ) -> None:
        self.owner = owner
        self.paused_at_ms: int | None = None
        self.paused_s = 0.0
        self._on_pause = on_pause
        self.loop = loop
        self.running = True
        self.fault: InjectedFault | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._stalled: list[asyncio.Future[None]] = []
        self._on_crash = on_crash

    def next_fault(self) -> FaultKind | None:
        """Count an effect, and return the fault that it meets. Raise Crash at a crash, and after it."""
        if not self.running:
            raise Crash
        if self.fault is None:
            return None
        if self.fault.after:
            self.fault.after -= 1
            return None
        kind, self.fault = self.fault.kind, None
        if kind == "crash":
            self.die()
            raise Crash
        return kind

    @property
    def active(self) -> bool:
        """Return whether it runs and is not paused."""
        return self.running and self.paused_at_ms is None

    def pause(self) -> None:
        """Let nothing continue until `resume`, as SIGSTOP or a suspended machine does."""
        if self.active:
            self.paused_at_ms = round(self.loop.time() * 1000)
            self._on_pause(self)

    async def _until_active(self) -> None:
        while self.paused_at_ms is not None:
            self._stalled.append(stalled := self.loop.create_future())
            await stalled
        if not self.running:
            raise Crash

    async def effect(self, call: Callable[[], Any]) -> Any:
        """Make a call that has an effect outside the process, with the fault that it meets."""
        await self._until_active()
        kind = self.next_fault()
        if kind == "unavailable":
            raise Unavailable("unavailable")
        if kind == "stall":
            self._stalled.append(stalled := self.loop.create_future())
            await stalled
            if not self.running:
                raise Crash
        reply = await call()
        if kind == "pause":
            self.pause()
        await self._until_active()
        if kind == "reply_lost":
            raise Unavailable("the reply was lost")
        return reply

    def resume(self) -> None:
        """Let stalled effects continue, and the process if it is paused."""
        if self.paused_at_ms is not None:
            self.paused_s += self.loop.time() - self.paused_at_ms / 1000
            self.paused_at_ms = None
        stalled, self._stalled = self._stalled, []
        for effect in stalled:
            if not effect.done():
                effect.set_result(None)

    def spawn(self, work: Any) -> "asyncio.Task[None]":
        """Start a task that dies with the process."""
        task: asyncio.Task[None] = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def die(self) -> None:
        """End all tasks without any further effect, as SIGKILL does."""
        if self.running:
            self.running = False
            self._on_crash(self)
            current = asyncio.current_task(self.loop) if self.loop.is_running() else None
            for task in self.tasks:
                if task is not current:
                    task.cancel()


class ProcessClock:
    """The Clock port of one process.

    Its heartbeats always arrive, so that a lease is over only after a pause: `boot_s` counts pauses alone.
    """

    def __init__(self, clock: FakeClock, process: Process) -> None:
        self._clock = clock
        self._process = process

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def boot_s(self) -> float:
        return self._process.paused_s


class RunningClock(ProcessClock):
    """The Clock port of one process whose leases end while one of its effects stalls, too, so that it claims again."""

    def boot_s(self) -> float:
        return self._clock.now_ms() / 1000


class FaultyPort:
    """A port as one process uses it: every call is an effect, which may meet a fault."""

    def __init__(self, port: Any, process: Process) -> None:
        self._port = port
        self._process = process

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if inspect.isasyncgenfunction(method):
            return partial(self._iterate, method)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._process.effect(lambda: method(*args, **kwargs))

        return call

    async def _iterate(self, method: Any, *args: Any) -> AsyncIterator[Any]:
        async def read_all() -> list[Any]:
            return [item async for item in method(*args)]

        for item in await self._process.effect(read_all):
            yield item


class Stage:
    """One consumer of one group in one process: a `Session` without a network, made of the same parts."""

    def __init__(
        self, name: str, topics: Sequence[str], handler: Handler, process: Process, kafka: FakeKafka
    ) -> None:
        self.name = name
        self.topics = topics
        self.failures: list[BaseException] = []
        self.assignment = Assignment(topics, LIMITS)
        self._position: dict[TopicPartition, int] = {}
        self._process = process
        self._kafka = kafka
        self._running: dict[RecordBatch, asyncio.Task[None]] = {}
        self._config = StageConfig(handler, self._dead_letter, self, LIMITS, lambda _: None)
        consumer: Any = self  # the committer only calls `commit`
        self._committer = Committer(consumer, self.assignment.partitions, LIMITS, lambda _: None)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish as the idempotent producer does. Raise Unavailable when it is not known whether they are written."""
        if messages:
            await self._process.effect(partial(self._append, messages))

    async def _append(self, messages: Sequence[Message]) -> None:
        self._kafka.append(messages)

    def _dead_letter(self, record: Record, error: Exception) -> Sequence[Message]:
        self.failures.append(error)
        return [dead_letter("dispatch.dead-letter", self.name, record, error)]

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit as the consumer does. Raise TimeoutError when it is not known whether Kafka has the offsets."""

        async def effect() -> None:
            self._kafka.commit(self.name, self._process.owner, offsets)

        try:
            await self._process.effect(effect)
        except Unavailable as unavailable:
            raise TimeoutError from unavailable

    def poll(self) -> None:
        """Read records where there is room, and start batches where there are slots."""
        full = set(self.assignment.full())
        for tp in [tp for tp in self.assignment.partitions if tp not in full]:
            if records := self._kafka.fetch(tp, self._position[tp], 3):
                self.assignment.accept({tp: records})
                self._position[tp] = records[-1].offset + 1
        while len(self._running) < LIMITS.max_batches and (slices := self.assignment.take()):
            batch = RecordBatch(slices, self._config, lambda _: None)
            self._running[batch] = task = self._process.spawn(batch.run())
            task.add_done_callback(partial(self._ended, batch))

    def _ended(self, batch: RecordBatch, task: "asyncio.Task[None]") -> None:
        del self._running[batch]
        for partition, records in batch.slices:
            partition.release(records)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Crash):
            self.failures.append(error)

    def start_commit(self) -> None:
        """Start a commit of the committable offsets."""
        self._process.spawn(self._committer.commit(dict(self.assignment.partitions)))

    def assign(self, partitions: set[TopicPartition]) -> None:
        """Start reading those of these partitions that are new, at the group's committed offsets."""
        new = [tp for tp in partitions if tp not in self.assignment.partitions]
        self.assignment.add(new)
        for tp in new:
            self._kafka.owners[self.name, tp] = self._process.owner
            self._position[tp] = self._kafka.committed.get((self.name, tp), 0)

    async def revoke(self, revoked: set[TopicPartition], drain_s: float) -> None:
        """Give partitions up: let their batches end within `drain_s`, cancel the others, then commit."""
        dropped = self.assignment.drop(revoked)
        dropped_ids = {id(partition) for partition in dropped.values()}
        draining = {
            batch: task
            for batch, task in self._running.items()
            if any(id(partition) in dropped_ids for partition, _ in batch.slices)
        }
        for batch, task in draining.items():
            batch.draining = True
            if batch.backing_off:
                task.cancel()
        if draining:
            _, unfinished = await asyncio.wait(draining.values(), timeout=drain_s)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished, timeout=5)
        # After the batches: a record that one of them finishes is committed here, or read again by the next owner.
        await self._committer.commit(dropped)
