"""One round: deliveries as fast as the pipeline makes them, and what they took of CPU, Redis, Kafka, connections."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.capacity.mixes import Event, Mix, inbox_recipients
from bench.capacity.stack import CapacityStack
from bench.cpu import CpuMeter
from bench.load import Load
from bench.redis_bytes import bytes_by_class
from bench.sides import Processes

_POLL_S = 0.05
_CONNECTIONS_EVERY_S = 1.0
_STALL_TIMEOUT_S = 90.0
_MIB = 1_048_576


@dataclass(slots=True)
class Round:
    """Totals of one round: deliveries by mix, CPU in µs by process, bytes that were added by class and topic."""

    by_mix: Mapping[str, int]
    elapsed_s: float
    cpu_us: Mapping[str, float]
    redis_bytes: Mapping[str, int]
    kafka_bytes: Mapping[str, int]
    lost: int
    duplicates: int

    @property
    def deliveries(self) -> int:
        """Return the deliveries of all mixes."""
        return sum(self.by_mix.values())


@dataclass(frozen=True, slots=True)
class _Counts:
    """State at one moment, as far as it is counted by deliveries."""

    outcomes: int
    messages: int
    entries: int


class Meter:
    """Measures rounds on one stack with running workers; `async with` connects it.

    `connections`: the most established ones of each role, by server. `memory_mib`: the largest resident memory.
    """

    def __init__(self, stack: CapacityStack, processes: Processes) -> None:
        self.connections: dict[str, Counter[str]] = {}
        self.memory_mib: dict[str, float] = {}
        self._stack, self._processes = stack, processes
        self._load = Load(stack.kafka.bootstrap)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap)
        self._outcomes = [TopicPartition("dispatch.outcomes", n) for n in range(stack.partitions)]

    async def __aenter__(self) -> Self:
        await self._load.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._load.stop()

    async def idle_cores(self, seconds: float) -> dict[str, float]:
        """Return the cores that each process takes while there is nothing to do."""
        meter = self._cpu()
        meter.start()
        started = time.perf_counter()
        await asyncio.sleep(seconds)
        elapsed_s = time.perf_counter() - started
        return {name: us / 1e6 / elapsed_s for name, us in meter.stop(1).items()}

    async def run(self, events: Sequence[Event], mixes: Mapping[Mix, int]) -> Round:
        """Publish these events, wait for their deliveries, and return what they took. `mixes`: events by mix."""
        by_mix = {mix.name: mix.deliveries * count for mix, count in mixes.items()}
        deliveries = sum(by_mix.values())
        before, redis, kafka = await self._counts(), await self.redis_bytes(), self._kafka_bytes()
        meter = self._cpu()
        meter.start()
        started = time.perf_counter()
        flood = asyncio.create_task(self._load.flood("events", events))
        await self._until(before.outcomes + deliveries)
        elapsed_s = time.perf_counter() - started
        cpu_us = meter.stop(1)
        await flood
        after = await self._counts()
        differences = [
            after.outcomes - before.outcomes - deliveries,
            after.messages - before.messages - sum(mix.email * count for mix, count in mixes.items()),
            after.entries - before.entries - sum(mix.inbox * count for mix, count in mixes.items()),
        ]
        return Round(
            by_mix,
            elapsed_s,
            cpu_us,
            redis_bytes=_added(redis, await self.redis_bytes()),
            kafka_bytes=_added(kafka, self._kafka_bytes()),
            lost=max(0, *(-difference for difference in differences)),
            duplicates=max(0, *differences),
        )

    async def redis_bytes(self) -> dict[str, int]:
        """Return the memory of keys by class, and as `used` what the server says it uses for data."""
        return await bytes_by_class(self._stack.redis)

    def _cpu(self) -> CpuMeter:
        return CpuMeter({**self._processes.pids, **self._stack.pids})

    async def _until(self, outcomes: int) -> None:
        """Return when there are so many outcomes. Raise RuntimeError where none was added for 90 s."""
        newest, last_progress, last_look = 0, time.monotonic(), 0.0
        while newest < outcomes:
            self._processes.check()
            now = time.monotonic()
            if now - last_look > _CONNECTIONS_EVERY_S:
                self._look_at_processes()
                last_look = now
            await asyncio.sleep(_POLL_S)
            count = await self._outcome_count()
            if count > newest:
                newest, last_progress = count, now
            elif now - last_progress > _STALL_TIMEOUT_S:
                raise RuntimeError(
                    f"no outcome for {_STALL_TIMEOUT_S:.0f} s; {outcomes - newest} are missing"
                )

    def _look_at_processes(self) -> None:
        for role, pid in self._processes.pids.items():
            process = psutil.Process(pid)
            remote = Counter(
                self._stack.ports.get(connection.raddr.port, "other")
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_ESTABLISHED and connection.raddr
            )
            self.connections[role] = self.connections.get(role, Counter()) | remote
            rss_mib = process.memory_info().rss / _MIB
            self.memory_mib[role] = max(self.memory_mib.get(role, 0.0), rss_mib)

    async def _outcome_count(self) -> int:
        return sum((await self._consumer.end_offsets(self._outcomes)).values())

    async def _counts(self) -> _Counts:
        pipe = self._stack.redis.pipeline(transaction=False)
        for recipient in inbox_recipients():
            pipe.hlen(f"tocsin:{{r:{recipient}}}:inbox")
        return _Counts(await self._outcome_count(), self._stack.sink.accepted(), sum(await pipe.execute()))

    def _kafka_bytes(self) -> dict[str, int]:
        """Return the bytes of the segments on disk by topic; mail of all lanes is one."""
        sizes = Counter[str]()
        for file in (self._stack.directory / "kafka" / "data").glob("*/*.log"):
            topic = file.parent.name.rpartition("-")[0]
            if topic == "events" or topic.startswith("dispatch."):
                name = "dispatch.email" if topic.startswith("dispatch.email.") else topic
                sizes[name] += file.stat().st_size
        return dict(sizes)


def _added(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: size - before.get(name, 0) for name, size in after.items()}
