"""The sides of a comparison: their processes, their progress, and the final state of every event."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from redis.asyncio import Redis

from bench.cases import SOURCE, Case, contact_ids, event_id
from bench.outcomes import OutcomeLog
from bench.peers import faststream_service as peer
from bench.peers.ledger import PREFIX
from bench.peers.modes import LEDGER, MODES
from bench.peers.records import delivery_id
from bench.sink import Sink

_STOP_TIMEOUT_S = 30


@dataclass(slots=True)
class Tally:
    """The counts of one run. `finished_ms`: when each event was finished, by its number."""

    lost: int
    duplicates: int
    finished_ms: Mapping[int, int] = field(default_factory=dict)


class Side(Protocol):
    """One side of the comparison. `events`: the topic that it reads; `is_timed`: its audit has times of events."""

    name: str
    events: str
    is_timed: bool
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

    def kill(self, name: str) -> None:
        """Kill a process, so that it can be started again."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Send SIGTERM to all processes, then wait for them."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            process.wait(_STOP_TIMEOUT_S)
        self._running.clear()


class _Received:
    """What the recipients have: messages in the sink, or entries in the inboxes."""

    def __init__(self, case: Case, redis: Redis, sink: Sink, inbox: str) -> None:
        self._case = case
        self._redis = redis
        self._sink = sink
        self._inbox = inbox
        self._before = 0

    async def mark(self) -> None:
        """Record what is there before a run."""
        self._before = await self._now()

    async def count(self) -> int:
        """Return what came since `mark`."""
        return await self._now() - self._before

    async def _now(self) -> int:
        if self._case.mail:
            return self._sink.accepted()
        pipe = self._redis.pipeline(transaction=False)
        for contact in contact_ids():
            pipe.hlen(self._inbox.format(contact))
        return sum(await pipe.execute())


class _WithOutcomes:
    """A side that publishes an outcome of each event. `inbox`: the key of a recipient's inbox, as a format."""

    is_timed = True
    inbox: str

    def __init__(
        self, case: Case, redis: Redis, sink: Sink, processes: Processes, outcomes: OutcomeLog
    ) -> None:
        self.pids: Mapping[str, int] = processes.pids
        self.check = processes.check
        self._case = case
        self._redis = redis
        self._outcomes = outcomes
        self.progress = outcomes.count
        self._received = _Received(case, redis, sink, self.inbox)

    async def mark(self) -> None:
        """Record the end of the outcomes, the count of the sink, and the size of the inboxes."""
        await self._outcomes.mark()
        await self._received.mark()


class Tocsin(_WithOutcomes):
    """Tocsin's workers."""

    name, events, inbox = "tocsin", "events", "tocsin:{{r:{}}}:inbox"

    async def audit(self, run: str, count: int) -> Tally:
        """Count events without exactly one final state, and messages or entries that differ from the events."""
        finished, wrong = await self._outcomes.final(run, self._case.final)
        received = await self._received.count()
        return Tally(max(count - len(finished), count - received), max(wrong, received - count, 0), finished)


class LedgerPeer(_WithOutcomes):
    """The FastStream service that keeps Tocsin's promises."""

    name, events, inbox = "faststream-ledger", LEDGER.events, PREFIX + "inbox:{}"

    async def audit(self, run: str, count: int) -> Tally:
        """Count events without one outcome, a row in its state, and a message or an unread entry of their own."""
        finished, wrong = await self._outcomes.final(run, self._case.final)
        received = await self._received.count()
        kept = await self._kept(run, count)
        lost = max(count - len(finished.keys() & kept), count - received)
        return Tally(lost, max(wrong, received - count, await self._miscounted(), 0), finished)

    async def _kept(self, run: str, count: int) -> set[int]:
        """Return the events whose row is final and indexed, and whose entry is in its inbox, unread."""
        channel = "email" if self._case.mail else "inbox"
        pipe = self._redis.pipeline(transaction=False)
        for i in range(count):
            recipient = self._case.recipient(i)
            delivery = delivery_id(SOURCE, event_id(run, i), recipient, channel)
            pipe.get(f"{PREFIX}row:{delivery}")
            pipe.zscore(f"{PREFIX}of:{recipient}", delivery)
            pipe.hexists(f"{PREFIX}inbox:{recipient}", delivery)
            pipe.zscore(f"{PREFIX}inbox:{recipient}:unread", delivery)
        replies = await pipe.execute()
        kept = set[int]()
        for i in range(count):
            row, indexed, entry, unread = replies[4 * i : 4 * i + 4]
            final = (row or b"").startswith(f"{self._case.final}\t".encode())
            if final and indexed is not None and (self._case.mail or (entry and unread is not None)):
                kept.add(i)
        return kept

    async def _miscounted(self) -> int:
        """Return the number of inboxes whose entries, unread list and counts differ."""
        pipe = self._redis.pipeline(transaction=False)
        for contact in contact_ids():
            box = f"{PREFIX}inbox:{contact}"
            pipe.hlen(box)
            pipe.zcard(f"{box}:unread")
            pipe.hvals(f"{box}:counts")
        replies = await pipe.execute()
        return sum(
            not entries == unread == sum(map(int, counts))
            for entries, unread, counts in zip(replies[::3], replies[1::3], replies[2::3], strict=True)
        )


class LeanPeer:
    """The FastStream service without a ledger, in batches or one record at a time."""

    def __init__(self, mode: str, case: Case, redis: Redis, sink: Sink, processes: Processes) -> None:
        self.name, self.events = f"faststream-{mode}", MODES[mode].events
        self.is_timed = case.mail  # it does not record when an entry was added
        self.pids: Mapping[str, int] = processes.pids
        self.check = processes.check
        self._case = case
        self._redis = redis
        self._received = _Received(case, redis, sink, "peer:inbox:{}")
        self._start = 0

    async def mark(self) -> None:
        """Record the peer's counter, the count of the sink, and the size of the inboxes."""
        self._start = await self._finished()
        await self._received.mark()

    async def progress(self) -> int:
        """Return the progress of the peer's own counter."""
        return await self._finished() - self._start

    async def audit(self, run: str, count: int) -> Tally:
        """Compare the messages or the entries with the events."""
        received = await self._received.count()
        if not self._case.mail:
            return Tally(max(0, count - received), max(received - count, 0))
        sent = await self._redis.mget([peer.SENT + event_id(run, i) for i in range(count)])
        finished = {i: int(at) for i, at in enumerate(sent) if at}
        return Tally(count - len(finished), max(received - count, 0), finished)

    async def _finished(self) -> int:
        return int(await self._redis.get(peer.FINISHED.format(self._case.name)) or 0)
