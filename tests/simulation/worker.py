"""A worker process: stages on the real commit logic, and ports through which it may die, stall, or be refused."""

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
from tests.simulation.kafka import FakeKafka
from tests.simulation.loop import VirtualLoop

Kind = Literal["crash", "away", "lost", "stall"]
LIMITS = StageLimits(max_records=4, max_batches=2, retry_first_s=0.2, retry_most_s=1.0)


class Crash(BaseException):
    """The process is gone: nothing may catch this and go on."""


@dataclass
class Trouble:
    """What happens at the effect after `after` others: death, a refusal, an answer lost after the effect, a stall."""

    kind: Kind
    after: int


class Process:
    """What the stages of a worker share: whether it lives, what will go wrong next, its tasks."""

    def __init__(self, owner: str, loop: VirtualLoop, on_crash: Callable[["Process"], None]) -> None:
        self.owner = owner
        self.loop = loop
        self.alive = True
        self.trouble: Trouble | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._stalled: list[asyncio.Future[None]] = []
        self._on_crash = on_crash

    def due(self) -> Kind | None:
        """Count an effect; the trouble that befalls it. Raises Crash when it is death, or when this is dead."""
        if not self.alive:
            raise Crash
        if self.trouble is None:
            return None
        if self.trouble.after:
            self.trouble.after -= 1
            return None
        kind, self.trouble = self.trouble.kind, None
        if kind == "crash":
            self.die()
            raise Crash
        return kind

    async def effect(self, call: Callable[[], Any]) -> Any:
        """One effect on the world."""
        kind = self.due()
        if kind == "away":
            raise Unavailable("away")
        if kind == "stall":
            self._stalled.append(stalled := self.loop.create_future())
            await stalled
            if not self.alive:
                raise Crash
        answer = await call()
        if kind == "lost":
            raise Unavailable("the answer was lost")
        return answer

    def resume(self) -> None:
        """What was stalled goes on."""
        for one in self._stalled:
            if not one.done():
                one.set_result(None)
        self._stalled.clear()

    def spawn(self, work: Any) -> "asyncio.Task[None]":
        """A task that dies with the process."""
        task: asyncio.Task[None] = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def die(self) -> None:
        """SIGKILL: tasks end without any further effect."""
        if self.alive:
            self.alive = False
            self._on_crash(self)
            current = asyncio.current_task(self.loop) if self.loop.is_running() else None
            for task in self.tasks:
                if task is not current:
                    task.cancel()


class Through:
    """A port as one process sees it: every call is an effect."""

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
        async def all_of() -> list[Any]:
            return [one async for one in method(*args)]

        for one in await self._process.effect(all_of):
            yield one


class Stage:
    """One consumer of one group, in one process: `Session` without a network, on the same parts."""

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
        self._work = StageConfig(handler, self._to_dead_letter, self, LIMITS, lambda _: None)
        consumer: Any = self  # the committer only calls `commit`
        self._committer = Committer(consumer, self.assignment.partitions, LIMITS, lambda _: None)

    async def publish(self, messages: Sequence[Message]) -> None:
        """As the idempotent producer: acknowledged, or Unavailable, written or not."""
        if messages:
            await self._process.effect(partial(self._append, messages))

    async def _append(self, messages: Sequence[Message]) -> None:
        self._kafka.append(messages)

    def _to_dead_letter(self, record: Record, error: Exception) -> Sequence[Message]:
        self.failures.append(error)
        return [dead_letter("dispatch.dead-letter", self.name, record, error)]

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """As the consumer's."""

        async def effect() -> None:
            self._kafka.commit(self.name, self._process.owner, offsets)

        try:
            await self._process.effect(effect)
        except Unavailable as away:
            raise TimeoutError from away

    def poll(self) -> None:
        """Read what there is room for, and start what can be started."""
        full = set(self.assignment.full())
        for tp in [tp for tp in self.assignment.partitions if tp not in full]:
            if records := self._kafka.fetch(tp, self._position[tp], 3):
                self.assignment.accept({tp: records})
                self._position[tp] = records[-1].offset + 1
        while len(self._running) < LIMITS.max_batches and (slices := self.assignment.take()):
            batch = RecordBatch(slices, self._work, lambda _: None)
            self._running[batch] = task = self._process.spawn(batch.run())
            task.add_done_callback(partial(self._ended, batch))

    def _ended(self, batch: RecordBatch, task: "asyncio.Task[None]") -> None:
        del self._running[batch]
        for partition, records in batch.slices:
            partition.release(records)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Crash):
            self.failures.append(error)

    def commit_owed(self) -> None:
        """Commit as far as records are finished."""
        self._process.spawn(self._committer.commit(dict(self.assignment.partitions)))

    def assign(self, wanted: set[TopicPartition]) -> None:
        """Begin with these partitions where the group has committed."""
        new = [tp for tp in wanted if tp not in self.assignment.partitions]
        self.assignment.add(new)
        for tp in new:
            self._kafka.owners[self.name, tp] = self._process.owner
            self._position[tp] = self._kafka.committed.get((self.name, tp), 0)

    async def revoke(self, revoked: set[TopicPartition], patience_s: float) -> None:
        """Hand partitions over: what runs may end within `patience_s`, is cancelled then; commit the rest."""
        dropped = self.assignment.drop(revoked)
        theirs = {id(partition) for partition in dropped.values()}
        late = {
            batch: task
            for batch, task in self._running.items()
            if any(id(partition) in theirs for partition, _ in batch.slices)
        }
        for batch, task in late.items():
            batch.draining = True
            if batch.backing_off:
                task.cancel()
        if late:
            _, pending = await asyncio.wait(late.values(), timeout=patience_s)
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending, timeout=5)
        await self._committer.commit(dropped)
