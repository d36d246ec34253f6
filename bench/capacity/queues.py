"""A simulation of the stages as queues: workers with one core each, batches, and the primaries of Redis behind them.

A batch takes CPU of its worker, then time of every primary at once; the worker takes the next batch meanwhile. The
unit is a delivery: resolve passes each on to the inbox or to the email stage. The random numbers have a seed.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

LINGER_S = 0.02
"""Deliveries of so long arrive together, as producers write them."""


@dataclass(frozen=True, slots=True)
class StageCost:
    """A stage. `share`: of the deliveries that pass it. Seconds: CPU of a batch, of a record, Redis a record."""

    name: str
    share: float
    workers: int
    batch_s: float
    record_s: float
    redis_s: float
    batch_records: int = 500
    batches: int = 4

    @property
    def rate(self) -> float:
        """Return the deliveries a second that the workers do with full batches."""
        return self.workers / (self.batch_s / self.batch_records + self.record_s)


@dataclass(frozen=True, slots=True)
class Slowness:
    """One primary takes `factor` times as long, from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    factor: float


@dataclass(slots=True)
class StageResult:
    """Delays in a stage, each with its count of deliveries; the CPU seconds of its workers; the largest backlog."""

    delays: list[tuple[float, int]] = field(default_factory=list)
    busy_s: float = 0.0
    backlog: int = 0
    largest_backlog: int = 0

    def percentile(self, share: float) -> float:
        """Return a percentile of the delays in seconds."""
        self.delays.sort()
        left = share * sum(count for _, count in self.delays)
        for delay, count in self.delays:
            left -= count
            if left <= 0:
                return delay
        return 0.0

    @property
    def mean(self) -> float:
        """Return the mean delay in seconds."""
        return sum(d * n for d, n in self.delays) / max(1, sum(n for _, n in self.delays))


@dataclass(slots=True)
class Result:
    """Results by stage, and of all together. `backlogs`: time and deliveries that had arrived and were not done.

    `redis_busy_s`: of the first primary, which may be slow, and of another one.
    """

    stages: dict[str, StageResult]
    end_to_end: StageResult
    backlogs: list[tuple[float, int]]
    redis_busy_s: list[float]

    def recovered_s(self, after_s: float, backlog: int) -> float:
        """Return how long after this time the backlog was for the first time at most so many; infinite if never."""
        later = (at - after_s for at, deliveries in self.backlogs if at >= after_s and deliveries <= backlog)
        return next(later, math.inf)


@dataclass(slots=True)
class _Worker:
    stage: StageCost
    queue: deque[tuple[float, float, int]] = field(default_factory=deque)
    """Arrival at the stage, arrival in the system, count."""
    running: int = 0
    """Batches whose records wait for CPU or Redis."""
    in_cpu: bool = False


class Network:
    """resolve, then the stages after it; one simulation."""

    def __init__(
        self,
        first: StageCost,
        others: Sequence[StageCost],
        *,
        primaries: int = 1,
        slowness: Slowness | None = None,
        linger_s: float = LINGER_S,
        seed: int = 1,
    ) -> None:
        self._first, self._others = first, others
        self._workers = {s.name: [_Worker(s) for _ in range(s.workers)] for s in (first, *others)}
        # all primaries but the slow one are alike, so one of them stands for the others
        self._primaries = primaries
        self._free_at = [0.0] * min(primaries, 2)
        self._slowness = slowness
        self._linger_s = linger_s
        self._random = random.Random(seed)
        self._calls: list[tuple[float, int, Callable[[float], None]]] = []
        self._sequence = 0
        self._owed: dict[str, float] = {stage.name: 0.0 for stage in others}
        self._total = 0
        self._result = Result(
            {n: StageResult() for n in self._workers}, StageResult(), [], [0.0] * min(primaries, 2)
        )

    def run(self, rate: Callable[[float], float], duration_s: float) -> Result:
        """Let deliveries arrive at `rate` (a second, by time) for so long; return when all are done."""
        self._arrive_after(0.0, rate, duration_s)
        while self._calls:
            at, _, call = heapq.heappop(self._calls)
            call(at)
        return self._result

    def _at(self, time_s: float, call: Callable[[float], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._calls, (time_s, self._sequence, call))

    def _arrive_after(self, now: float, rate: Callable[[float], float], end_s: float) -> None:
        """Schedule the next arrival; they are a Poisson process."""
        together = max(1, round(rate(now) * self._linger_s))
        at = now + self._random.expovariate(rate(now) / together)
        if at < end_s:
            self._at(at, lambda now: self._arrived(now, together, rate, end_s))

    def _arrived(self, now: float, count: int, rate: Callable[[float], float], end_s: float) -> None:
        self._note(now, count)
        self._enqueue(now, self._first.name, now, count)
        self._arrive_after(now, rate, end_s)

    def _enqueue(self, now: float, stage: str, since: float, count: int) -> None:
        """Spread deliveries over the workers of a stage, as their keys are over partitions."""
        workers, result = self._workers[stage], self._result.stages[stage]
        result.backlog += count
        result.largest_backlog = max(result.largest_backlog, result.backlog)
        each, rest = divmod(count, len(workers))
        first = self._random.randrange(len(workers)) if rest else 0
        for n, worker in enumerate(workers):
            if part := each + ((n - first) % len(workers) < rest):
                worker.queue.append((now, since, part))
                self._start(now, worker)

    def _start(self, now: float, worker: _Worker) -> None:
        """Start a batch where the worker's core is free and it has fewer batches than it may."""
        stage = worker.stage
        if worker.in_cpu or worker.running >= stage.batches or not worker.queue:
            return
        batch, room = list[tuple[float, float, int]](), stage.batch_records
        while room and worker.queue:
            arrived, since, count = worker.queue.popleft()
            if count > room:
                worker.queue.appendleft((arrived, since, count - room))
                count = room
            batch.append((arrived, since, count))
            room -= count
        records = stage.batch_records - room
        cpu_s = stage.batch_s + records * stage.record_s
        self._result.stages[stage.name].busy_s += cpu_s
        worker.in_cpu, worker.running = True, worker.running + 1
        self._at(now + cpu_s, lambda now: self._computed(now, worker, batch, records))

    def _computed(
        self, now: float, worker: _Worker, batch: list[tuple[float, float, int]], records: int
    ) -> None:
        """Call Redis: every primary has its part of the batch, and the last one to reply counts."""
        worker.in_cpu = False
        part_s, done = records * worker.stage.redis_s / self._primaries, now
        for n, free_at in enumerate(self._free_at):
            begin = max(now, free_at)
            took_s = part_s * (self._slow_factor(begin) if n == 0 else 1.0)
            self._free_at[n] = begin + took_s
            self._result.redis_busy_s[n] += took_s
            done = max(done, begin + took_s)
        self._at(done, lambda now: self._finished(now, worker, batch))
        self._start(now, worker)

    def _slow_factor(self, at: float) -> float:
        slow = self._slowness
        return slow.factor if slow and slow.start_s <= at < slow.end_s else 1.0

    def _finished(self, now: float, worker: _Worker, batch: list[tuple[float, float, int]]) -> None:
        worker.running -= 1
        stage = worker.stage
        result, last = self._result.stages[stage.name], stage is not self._first or not self._others
        for arrived, since, count in batch:
            result.backlog -= count
            result.delays.append((now - arrived, count))
            if last:
                self._result.end_to_end.delays.append((now - since, count))
                self._note(now, -count)
            else:
                self._pass_on(now, since, count)
        self._start(now, worker)

    def _pass_on(self, now: float, since: float, count: int) -> None:
        """Divide deliveries among the next stages by their shares, exactly over time."""
        left = count
        for stage in self._others[:-1]:
            self._owed[stage.name] += count * stage.share
            part = min(left, int(self._owed[stage.name]))
            self._owed[stage.name] -= part
            left -= part
            if part:
                self._enqueue(now, stage.name, since, part)
        if left:
            self._enqueue(now, self._others[-1].name, since, left)

    def _note(self, now: float, change: int) -> None:
        self._total += change
        self._result.end_to_end.largest_backlog = max(self._result.end_to_end.largest_backlog, self._total)
        self._result.backlogs.append((now, self._total))


def redis_capacity(stages: Sequence[StageCost], primaries: int, slow_factor: float = 1.0) -> float:
    """Return the deliveries a second that Redis does. `slow_factor`: of one primary, which each batch waits for."""
    redis_s = sum(stage.share * stage.redis_s for stage in stages)
    return primaries / (redis_s * slow_factor) if redis_s else math.inf


def capacity(stages: Sequence[StageCost], primaries: int, slow_factor: float = 1.0) -> float:
    """Return the deliveries a second that the slowest of stages and Redis does, with full batches."""
    redis = redis_capacity(stages, primaries, slow_factor)
    return min(redis, *(stage.rate / stage.share for stage in stages))


def backlog(
    stages: Sequence[StageCost], primaries: int, arriving: float, for_s: float, slow_factor: float = 1.0
) -> float:
    """Return the deliveries that wait after so long: what came into a stage more than left it, of all stages.

    What the first stage does not do does not come into the others. Where Redis does less, it is what counts.
    """
    first, *others = stages
    passed = min(arriving, first.rate)
    growth = arriving - passed + sum(max(0.0, passed * stage.share - stage.rate) for stage in others)
    return max(0.0, growth, arriving - redis_capacity(stages, primaries, slow_factor)) * for_s


def recovery_s(waiting: float, arriving: float, able: float) -> float:
    """Return for how long a backlog lasts: it shrinks by what can be done more than arrives. Infinite if by nothing."""
    return waiting / (able - arriving) if able > arriving else math.inf


def day_curve(peak_factor: float) -> Callable[[float], float]:
    """Return the rate by the share of the day (0 to 1), its mean 1: a curve with one peak, at 13:00 (von Mises)."""
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _peak(middle) < peak_factor else (low, middle)
    scale = _peak(low) / math.exp(low)
    return lambda share: scale * math.exp(low * math.cos(2 * math.pi * (share - 13 / 24)))


def _peak(concentration: float) -> float:
    steps = 240
    values = [math.exp(concentration * math.cos(2 * math.pi * n / steps)) for n in range(steps)]
    return math.exp(concentration) / (sum(values) / steps)


def rates_by_interval(
    base: float, intervals: Mapping[tuple[float, float], float]
) -> Callable[[float], float]:
    """Return a rate that is `base`, times a factor within intervals (start and end in seconds)."""

    def rate(at: float) -> float:
        return base * next((f for (start, end), f in intervals.items() if start <= at < end), 1.0)

    return rate
