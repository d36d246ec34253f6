"""The two sides of a comparison: their processes, their progress, and the final state of every event."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from bench.cases import Case, contact_ids, event_id
from bench.outcomes import read_final
from bench.peers import faststream_service as peer
from bench.sink import Sink

_STOP_TIMEOUT_S = 30


@dataclass(slots=True)
class Tally:
    """The counts of one run. `finished_ms`: when each event was finished, by its number."""

    lost: int
    duplicates: int
    finished_ms: Mapping[int, int] = field(default_factory=dict)


class Side(Protocol):
    """One side of the comparison. `events` is the topic that it reads."""

    name: str
    events: str
    pids: Mapping[str, int]

    def check(self) -> None:
        """Raise RuntimeError when one of its processes has ended."""
        ...

    async def mark(self) -> None:
        """Record the state before a run."""
        ...

    async def progress(self) -> int:
        """Return the number of events finished since `mark`; cheap."""
        ...

    async def audit(self, run: str, count: int) -> Tally:
        """Count, after a run, the events that are missing and those that are there twice."""
        ...


class Processes:
    """Child processes by name."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}

    @property
    def pids(self) -> dict[str, int]:
        """Return the process ids by name."""
        return {name: process.pid for name, process in self._running.items()}

    def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Start a Python module with additional environment variables; its output goes to `log`."""
        self._logs[name] = log
        with log.open("ab") as out:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**os.environ, **env},
                stdout=out,
                stderr=out,
            )

    def check(self) -> None:
        """Raise RuntimeError with the end of the log when a process has ended."""
        for name, process in self._running.items():
            if (code := process.poll()) is not None:
                raise RuntimeError(f"{name} ended with {code}:\n{self._logs[name].read_text()[-2000:]}")

    def stop(self) -> None:
        """Send SIGTERM to all processes, then wait for them."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            process.wait(_STOP_TIMEOUT_S)
        self._running.clear()


class Tocsin:
    """Tocsin's workers."""

    name, events = "tocsin", "events"

    def __init__(
        self,
        case: Case,
        bootstrap: str,
        redis: Redis,
        sink: Sink,
        processes: Processes,
        partitions: int,
    ) -> None:
        self.pids: Mapping[str, int] = processes.pids
        self.check = processes.check
        self._case = case
        self._redis = redis
        self._sink = sink
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        self._partitions = [TopicPartition("dispatch.outcomes", n) for n in range(partitions)]
        self._start: dict[TopicPartition, int] = {}
        self._entries_before = self._mails_before = 0

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def mark(self) -> None:
        """Record the end of the outcomes, the count of the sink, and the size of the inboxes."""
        self._start = await self._consumer.end_offsets(self._partitions)
        self._mails_before = self._sink.accepted()
        self._entries_before = await self._entries() if not self._case.mail else 0

    async def progress(self) -> int:
        """Return the number of new outcomes: an event has one, of its final state."""
        ends = await self._consumer.end_offsets(self._partitions)
        return sum(ends[tp] - self._start[tp] for tp in self._partitions)

    async def audit(self, run: str, count: int) -> Tally:
        """Count events without exactly one final state, and messages or entries that differ from the events."""
        ends = await self._consumer.end_offsets(self._partitions)
        finished, wrong = await read_final(self._consumer, self._start, ends, run, self._case.final)
        lost = count - len(finished)
        received = (
            self._sink.accepted() - self._mails_before
            if self._case.mail
            else await self._entries() - self._entries_before
        )
        return Tally(max(lost, count - received), max(wrong, received - count, 0), finished)

    async def _entries(self) -> int:
        pipe = self._redis.pipeline(transaction=False)
        for contact in contact_ids():
            pipe.hlen(f"tocsin:{{r:{contact}}}:inbox")
        return sum(await pipe.execute())


class Peer:
    """The FastStream service, in batches or one record at a time."""

    def __init__(self, mode: str, case: Case, redis: Redis, sink: Sink, processes: Processes) -> None:
        self.name, self.events = f"faststream-{mode}", f"{peer.EVENTS}.{mode}"
        self.pids: Mapping[str, int] = processes.pids
        self.check = processes.check
        self._case = case
        self._redis = redis
        self._sink = sink
        self._start = self._entries_before = self._mails_before = 0

    async def mark(self) -> None:
        """Record the peer's counter, the count of the sink, and the size of the inboxes."""
        self._start = await self._finished()
        self._mails_before = self._sink.accepted()
        self._entries_before = await self._entries() if not self._case.mail else 0

    async def progress(self) -> int:
        """Return the progress of the peer's own counter."""
        return await self._finished() - self._start

    async def audit(self, run: str, count: int) -> Tally:
        """Compare the messages or the entries with the events."""
        received = (
            self._sink.accepted() - self._mails_before
            if self._case.mail
            else await self._entries() - self._entries_before
        )
        finished: dict[int, int] = {}
        if self._case.mail:
            sent = await self._redis.mget([peer.SENT + event_id(run, i) for i in range(count)])
            finished = {i: int(at) for i, at in enumerate(sent) if at}
            return Tally(count - len(finished), max(received - count, 0), finished)
        return Tally(max(0, count - received), max(received - count, 0), finished)

    async def _finished(self) -> int:
        return int(await self._redis.get(peer.FINISHED.format(self._case.name)) or 0)

    async def _entries(self) -> int:
        pipe = self._redis.pipeline(transaction=False)
        for contact in contact_ids():
            pipe.hlen(f"peer:inbox:{contact}")
        return sum(await pipe.execute())
