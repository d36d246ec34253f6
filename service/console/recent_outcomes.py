"""Recent outcomes: what has just happened to deliveries, for the live tail and for the rates of the overview.

One reader of `dispatch.outcomes` serves all pages of this process. It begins when a page first wants it, a few minutes
back, and ends when none has for two minutes.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

import structlog

from service.model.outcome import Outcome
from service.observability.exception_text import fault_of
from service.ports import Clock, RecordLog, Unavailable

log = structlog.get_logger(__name__)

BUCKET_MS = 10_000
BUCKETS = 60
_IDLE_S = 120.0
_RETRY_S = 1.0
_WAITING = 2000
"""Outcomes that wait for a page that reads slowly; older ones are dropped, and counted."""
_SLICE = 500


@dataclass(eq=False)
class OutcomeWatch:
    """The outcomes that have come since a page last took them. `skipped` counts those that it did not get."""

    waiting: deque[Outcome] = field(default_factory=lambda: deque(maxlen=_WAITING))
    skipped: int = 0

    def add(self, outcome: Outcome) -> None:
        """Note an outcome; the oldest is dropped where too many wait."""
        self.skipped += len(self.waiting) == _WAITING
        self.waiting.append(outcome)

    def take(self) -> tuple[Sequence[Outcome], int]:
        """Return what waits, and how many were dropped."""
        taken, skipped = list(self.waiting), self.skipped
        self.waiting.clear()
        self.skipped = 0
        return taken, skipped


class RecentOutcomes:
    """Counts by time, state and type, and watches that get each outcome as it comes."""

    def __init__(self, records: RecordLog, topic: str, clock: Clock) -> None:
        self._records = records
        self._topic = topic
        self._clock = clock
        self._counts: dict[int, Counter[tuple[str, str]]] = {}
        self._watches: set[OutcomeWatch] = set()
        self._task: asyncio.Task[None] | None = None
        self._wanted_s = 0.0
        self.error = ""
        """Why nothing is read now; empty while all is read that has come, or soon will be."""

    @property
    def watches(self) -> int:
        """Return how many watches are open."""
        return len(self._watches)

    def want(self) -> None:
        """Begin to read, or continue for another two minutes."""
        self._wanted_s = _now_s()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="recent-outcomes")

    @contextmanager
    def watch(self) -> Iterator[OutcomeWatch]:
        """Yield a watch of what comes from now on."""
        watch = OutcomeWatch()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def buckets(self) -> Sequence[tuple[int, Mapping[tuple[str, str], int]]]:
        """Return the counts by (state, type) of the last ten minutes, each ten seconds with its begin (ms)."""
        last = self._clock.now_ms() // BUCKET_MS
        empty: Counter[tuple[str, str]] = Counter()
        return [(n * BUCKET_MS, self._counts.get(n, empty)) for n in range(last - BUCKETS + 1, last + 1)]

    async def _run(self) -> None:
        while self._is_wanted():
            self._counts.clear()
            following = asyncio.create_task(self._follow())
            try:
                while self._is_wanted() and not following.done():
                    await asyncio.wait([following], timeout=_IDLE_S / 4)
                if not following.done():
                    return
                await following
            except Unavailable as error:
                self.error = error.reason
                await asyncio.sleep(_RETRY_S)
            except Exception as error:
                log.error("recent_outcomes_failed", **fault_of(error))
                self.error = type(error).__name__
                await asyncio.sleep(_RETRY_S)
            finally:
                following.cancel()

    async def _follow(self) -> None:
        start_ms = self._clock.now_ms()
        start = await self._records.ends([self._topic], start_ms - BUCKETS * BUCKET_MS)
        self.error = ""
        read = 0
        async with aclosing(self._records.follow(start)) as records:
            async for record in records:
                try:
                    outcome = Outcome.from_bytes(record.value or b"")
                except ValueError:
                    continue
                self._count(outcome)
                if record.timestamp_ms >= start_ms - BUCKET_MS:
                    for watch in self._watches:
                        watch.add(outcome)
                read += 1
                if read % _SLICE == 0:
                    await asyncio.sleep(0)

    def _count(self, outcome: Outcome) -> None:
        bucket = outcome.at_ms // BUCKET_MS
        counts = self._counts.get(bucket)
        if counts is None:
            last = self._clock.now_ms() // BUCKET_MS
            if not last - BUCKETS < bucket <= last + 1:
                return
            counts = self._counts[bucket] = Counter()
            for old in [n for n in self._counts if n <= last - BUCKETS]:
                del self._counts[old]
        counts[outcome.state, outcome.type] += 1

    def _is_wanted(self) -> bool:
        return bool(self._watches) or _now_s() - self._wanted_s < _IDLE_S


def _now_s() -> float:
    return asyncio.get_running_loop().time()
