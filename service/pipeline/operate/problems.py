"""Problems: what is wrong now, since when, why, and what to do; and the look at Redis and the workers that finds them.

`explain`, `doctor`, `/readyz`, the API, the console, `tocsin_problems` and its alert show the same problems.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from service.model.worker import WorkerReport
from service.ports import Clock, Completeness, DueSet, Unavailable, WorkerReports


class Severity(StrEnum):
    """The severity of a problem, as the alerts have it. `critical`: deliveries wait until it is solved."""

    critical = "critical"
    warning = "warning"


class ProblemKind(StrEnum):
    """The kinds of problems, in the order in which to solve them. The values are published."""

    kafka_unavailable = "kafka_unavailable"
    redis_unavailable = "redis_unavailable"
    topics_missing = "topics_missing"
    no_worker = "no_worker"
    redis_incomplete = "redis_incomplete"
    stage_not_run = "stage_not_run"
    stage_paused = "stage_paused"
    stage_stalled = "stage_stalled"
    partitions_unread = "partitions_unread"
    stage_without_partitions = "stage_without_partitions"
    relay_misconfigured = "relay_misconfigured"
    relay_unreachable = "relay_unreachable"
    relay_resting = "relay_resting"
    due_overdue = "due_overdue"
    stage_late = "stage_late"
    dead_letters = "dead_letters"


_SENTENCES: Mapping[ProblemKind, str] = {
    ProblemKind.kafka_unavailable: "Kafka cannot be used: {detail}",
    ProblemKind.redis_unavailable: "Redis cannot be used: {detail}",
    ProblemKind.topics_missing: "topics are missing: {detail}",
    ProblemKind.no_worker: "no worker runs",
    ProblemKind.redis_incomplete: "nothing is sent: {detail}",
    ProblemKind.stage_not_run: "no worker runs the stage {subject}",
    ProblemKind.stage_paused: "{subject} is paused: {detail}",
    ProblemKind.stage_stalled: "{subject} has work and makes no progress: {detail}",
    ProblemKind.partitions_unread: "{subject}: no worker reads {detail}",
    ProblemKind.stage_without_partitions: "{subject} reads no partition: {detail}",
    ProblemKind.relay_misconfigured: "relay {subject} cannot be used: {detail}",
    ProblemKind.relay_unreachable: "relay {subject} does not answer: {detail}",
    ProblemKind.relay_resting: "relay {subject} is left alone for a while: {detail}",
    ProblemKind.due_overdue: "deferred deliveries are due and are not put back on their topics",
    ProblemKind.stage_late: "{subject} is behind: {detail}",
    ProblemKind.dead_letters: "{subject} wrote {detail}",
}
_ORDER = {kind: position for position, kind in enumerate(ProblemKind)}


@dataclass(frozen=True, slots=True)
class CurrentProblem:
    """A problem. `subject`: the stages, the relay or the server that has it. `since_ms`: None where it is not known.

    `detail` is the reason, with the words of a relay or a server; without addresses. `stages`: those whose deliveries
    wait for it, as TOCSIN_WORKER__STAGES names them, or with the lane, as `email.high`.
    """

    kind: ProblemKind
    subject: str
    since_ms: int | None
    detail: str
    remedy: str
    severity: Severity = Severity.critical
    stages: Sequence[str] = ()

    @property
    def sentence(self) -> str:
        """Return what is wrong as a sentence without a full stop; since when and what to do are beside it."""
        return _SENTENCES[self.kind].format(subject=self.subject, detail=self.detail)

    @property
    def order(self) -> tuple[Severity, int, str]:
        """Return the key by which problems are sorted: the most severe first, then those to be solved first."""
        return self.severity, _ORDER[self.kind], self.subject

    def document(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return {
            "kind": self.kind.value,
            "severity": self.severity.value,
            "subject": self.subject,
            "since_ms": self.since_ms,
            "sentence": self.sentence,
            "detail": self.detail,
            "remedy": self.remedy,
            "stages": list(self.stages),
        }

    def concerns(self, stage: str) -> bool:
        """Return whether deliveries wait for it that are to be handled by this stage, or this lane of it, next."""
        family = stage.partition(".")[0]
        return any(one in (stage, family) or one.startswith(f"{stage}.") for one in self.stages)


def count_problems(problems: Sequence[CurrentProblem]) -> Mapping[tuple[str, str], int]:
    """Return the number of problems of each kind and severity, 0 where there is none."""
    counts = Counter((one.kind.value, one.severity.value) for one in problems)
    return {
        (kind.value, severity.value): counts[kind.value, severity.value]
        for kind in ProblemKind
        for severity in Severity
    }


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen at one moment. `redis` and `kafka`: why they cannot be used; None where they can, or if unknown.

    `last_runs`: when a worker last ran each stage (ms). `incomplete`: why Redis is not complete. `due_ms`: the earliest
    due time in the due set. `missing_topics`: those that no worker has named yet.
    """

    now_ms: int
    reports: Sequence[WorkerReport] = ()
    last_runs: Mapping[str, int] = field(default_factory=dict)
    redis: str | None = None
    kafka: str | None = None
    incomplete: str | None = None
    due_ms: int | None = None
    missing_topics: Sequence[str] = ()


Check = Callable[[], Awaitable[str | None]]
"""Returns why a dependency cannot be used; None while it can. May raise Unavailable."""
_TIMEOUT_S = 2.0


class Observer:
    """Looks at the reports of the workers, the marks of Redis and the due set. `kafka` checks Kafka, if there is one.

    It costs Redis five small reads, whatever the number of deliveries.
    """

    def __init__(
        self,
        workers: WorkerReports,
        completeness: Completeness,
        due: DueSet,
        clock: Clock,
        kafka: Check | None = None,
    ) -> None:
        self._workers = workers
        self._completeness = completeness
        self._due = due
        self._clock = clock
        self._kafka = kafka

    async def observe(self) -> Observation:
        """Return what is seen now. Raise nothing; take at most two seconds."""
        kafka = asyncio.create_task(self._kafka_reason())
        now_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reports, last_runs, incomplete, due_ms = await asyncio.gather(
                    self._workers.current(now_ms),
                    self._workers.last_runs(),
                    self._completeness.incomplete(),
                    self._due.oldest_ms(),
                )
        except Unavailable as error:
            return Observation(now_ms, redis=error.reason, kafka=await kafka)
        except TimeoutError:
            return Observation(now_ms, redis="redis: no answer in time", kafka=await kafka)
        return Observation(
            now_ms, reports, last_runs, kafka=await kafka, incomplete=incomplete, due_ms=due_ms
        )

    async def _kafka_reason(self) -> str | None:
        if self._kafka is None:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._kafka()
        except Unavailable as error:
            return error.reason
        except TimeoutError:
            return "Kafka does not answer in time"
