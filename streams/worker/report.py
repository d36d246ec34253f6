"""The report of this worker, for `explain`, `doctor`, the API and the console: its stages, services and relays."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import ClassVar

import structlog
from aiokafka import TopicPartition

from service.bootstrap.parts import Parts
from service.bootstrap.reload import CurrentParts
from service.model.relay import RelayReport
from service.model.worker import ServiceReport, StageReport, WorkerReport
from service.ports import Unavailable, WorkerReports
from streams.consumer.health import StageHealth
from streams.worker.stages import Stages

log = structlog.get_logger(__name__)

_RATE_MS = 60_000
_RECENT_MS = 600_000


class RecentCount:
    """How much a counter has grown within a span of time, by the samples of it that were noted; 0 at `began_ms`."""

    def __init__(self, span_ms: int, began_ms: int) -> None:
        self._span_ms = span_ms
        self._samples: deque[tuple[int, int]] = deque([(began_ms, 0)])

    def note(self, value: int, now_ms: int) -> None:
        """Note the value of the counter now, and forget the samples before the span."""
        samples = self._samples
        samples.append((now_ms, value))
        while len(samples) > 1 and samples[1][0] <= now_ms - self._span_ms:
            samples.popleft()

    @property
    def grown(self) -> int:
        """Return the growth between the first and the last sample."""
        return self._samples[-1][1] - self._samples[0][1]

    @property
    def grown_since_ms(self) -> int | None:
        """Return when it began to grow within the span; None where it did not."""
        first = self._samples[0][1]
        return next((at_ms for at_ms, value in self._samples if value > first), None)

    @property
    def rate(self) -> float:
        """Return the growth a second."""
        ms = self._samples[-1][0] - self._samples[0][0]
        return 1000 * self.grown / ms if ms > 0 else 0.0


class WorkerStatus:
    """Makes the reports of this worker. It notes how long each state lasts, so call it every few seconds."""

    def __init__(self, current: CurrentParts) -> None:
        self._current = current
        self._parts = parts = current.parts
        self._version = version("tocsin")
        self._started_ms = parts.clock.now_ms()
        self._since: dict[str, tuple[object, int]] = {}
        self._accepted: dict[str, RecentCount] = {}
        self._dead: dict[str, RecentCount] = {}

    def report(self, stages: Stages) -> WorkerReport:
        """Return what this worker, which runs these stages, reports now."""
        now_ms = self._parts.clock.now_ms()
        return WorkerReport(
            worker=self._parts.worker,
            at_ms=now_ms,
            started_ms=self._started_ms,
            version=self._version,
            mode=self._parts.settings.mode,
            catalogue=self._current.parts.contents.fingerprint,
            stages=tuple(self._stage(health, now_ms) for health in stages.health()),
            services=tuple(
                ServiceReport(
                    worker=self._parts.worker,
                    service=name,
                    reason=reason or "",
                    since_ms=self._state_since(name, reason is None, now_ms),
                )
                for name, reason in stages.waits().items()
            ),
            relays=self._relays(now_ms),
        )

    def _stage(self, health: StageHealth, now_ms: int) -> StageReport:
        dead = self._dead.setdefault(health.name, RecentCount(_RECENT_MS, self._started_ms))
        dead.note(health.dead, now_ms)
        return StageReport(
            worker=self._parts.worker,
            stage=health.name,
            state=health.state,
            reason=health.reason or "",
            since_ms=self._state_since(health.name, health.state, now_ms),
            partitions=_by_topic(health.assigned),
            lag=sum(health.lag.get(tp, 0) for tp in health.assigned),
            in_flight=health.in_flight,
            oldest_unfinished_s=round(health.oldest_unfinished_s, 3),
            last_progress_s=round(health.last_progress_s, 3),
            finished=health.finished,
            dead_letters=health.dead,
            recent_dead_letters=dead.grown,
            dead_letters_since_ms=dead.grown_since_ms,
            missing_topics=tuple(health.missing),
            unread_partitions=_by_topic(health.unread),
        )

    def _relays(self, now_ms: int) -> tuple[RelayReport, ...]:
        if "email" not in self._parts.settings.worker.stages:
            return ()
        reports: list[RelayReport] = []
        for health in self._parts.transport.state():
            accepted = self._accepted.setdefault(health.relay, RecentCount(_RATE_MS, self._started_ms))
            accepted.note(health.accepted, now_ms)
            update = {"worker": self._parts.worker, "rate": round(accepted.rate, 3)}
            reports.append(health.report.model_copy(update=update))
        return tuple(reports)

    def _state_since(self, name: str, state: object, now_ms: int) -> int:
        """Return since when (ms) a stage or service is in its state."""
        known, since_ms = self._since.get(name, (None, 0))
        if known != state:
            self._since[name], since_ms = (state, now_ms), now_ms
        return since_ms


def _by_topic(partitions: Sequence[TopicPartition]) -> Mapping[str, tuple[int, ...]]:
    topics: dict[str, tuple[int, ...]] = {}
    for tp in partitions:
        topics[tp.topic] = (*topics.get(tp.topic, ()), tp.partition)
    return topics


class WorkerReporter:
    """Writes the report of this worker every two seconds, until cancelled."""

    _EVERY_S: ClassVar[float] = 2.0

    def __init__(self, reports: WorkerReports, report: Callable[[], WorkerReport]) -> None:
        self._reports = reports
        self._report = report
        self._failing = False

    async def run(self) -> None:
        """Report again and again; one line in the log an outage of Redis."""
        while True:
            try:
                await self._reports.put(self._report())
                self._failing = False
            except Unavailable as error:
                if not self._failing:
                    log.warning("worker_not_reported", reason=error.reason)
                self._failing = True
            except Exception:  # a report must never end the worker
                log.exception("worker_not_reported")
            await asyncio.sleep(self._EVERY_S)


@asynccontextmanager
async def reported(parts: Parts, report: Callable[[], WorkerReport]) -> AsyncIterator[None]:
    """Report this worker for the block, to its very end; then remove the report."""
    task = asyncio.create_task(WorkerReporter(parts.worker_reports, report).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(Unavailable):
            await parts.worker_reports.remove(parts.worker)
