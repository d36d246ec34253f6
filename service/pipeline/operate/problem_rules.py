"""The rules by which problems follow from what was seen: a pure function over one observation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from service.model.relay import RelayReport, RelayState
from service.model.worker import REQUIRED_STAGES, StageReport, StageState, WorkerReport
from service.pipeline.operate.problems import CurrentProblem, Observation, ProblemKind, Severity
from service.pipeline.operate.remedies import (
    BY_ITSELF,
    START_ALL,
    incomplete_remedy,
    kafka_remedy,
    late_remedy,
    pause_remedy,
    redis_remedy,
    run_stage,
)
from service.ports import ABSENT, CATCHING_UP, FILLING, REBUILDING

_SETTLED_MS = 1000
"""What a report shows for the first time may be over before the next one."""
_JOINING_MS = 30_000
_RESTING_MS = 60_000
_STALLED_S = 60.0
_OVERDUE_MS = 60_000
_LATE_S = {"email.high": 30.0, "email.bulk": 3600.0}
"""As the alerts on delays have it; other stages: two minutes."""
_MOST_NAMED = 5
_NO_RELAY = "no relay takes mail"
_MARKS = frozenset({ABSENT, CATCHING_UP, FILLING, REBUILDING})
_ENDING = frozenset({CATCHING_UP, FILLING})
"""What a worker does by itself, within minutes."""
_READING = frozenset({StageState.running, StageState.incomplete, StageState.starting})
RELAY_KINDS: Mapping[RelayState, ProblemKind] = {
    RelayState.misconfigured: ProblemKind.relay_misconfigured,
    RelayState.breaker_open: ProblemKind.relay_unreachable,
    RelayState.cooldown: ProblemKind.relay_resting,
}
"""The kind of problem that a relay in this state is; in any other it takes mail."""


def find_problems(seen: Observation) -> Sequence[CurrentProblem]:
    """Return what is wrong, the most severe and the first to be solved first."""
    relays = [*_relays(seen)]
    waits = [*_waits(seen, relays)]
    problems = [*relays, *waits, *_not_run(seen), *_topics(seen), *_due(seen), *_dead_letters(seen)]
    blocked = {stage for problem in problems for stage in problem.stages}
    for name, reports in _by_stage(seen.reports).items():
        if not {name, name.partition(".")[0]} & blocked:
            problems += _reading(name, reports, seen)
    return sorted(problems, key=lambda problem: problem.order)


def problems_of(report: WorkerReport) -> Sequence[CurrentProblem]:
    """Return what is wrong by the report of one worker alone: what it waits for, and its relays."""
    seen = Observation(report.at_ms, [report], dict.fromkeys(REQUIRED_STAGES, report.at_ms))
    return [one for one in find_problems(seen) if one.kind is not ProblemKind.stage_not_run]


def _waits(seen: Observation, relays: Sequence[CurrentProblem]) -> Iterator[CurrentProblem]:
    """Yield what stages and services wait for, once for each reason; then what only the observer met."""
    waits: dict[str, list[tuple[str, str, int]]] = {}
    for worker in seen.reports:
        for name, reason, since_ms in _paused(worker):
            if worker.at_ms - since_ms >= _SETTLED_MS and not (reason == _NO_RELAY and relays):
                waits.setdefault(reason, []).append((name, worker.worker, since_ms))
    kinds = set()
    for reason, stages in waits.items():
        workers = {worker for _, worker, _ in stages}
        problem = _wait(reason, _in_order({name for name, _, _ in stages}), seen)
        where = _where(workers, seen.reports)
        since_ms = min(since_ms for _, _, since_ms in stages)
        yield replace(problem, since_ms=since_ms, detail=f"{reason}{where}")
        kinds.add(problem.kind)
    for kind, met in (
        (ProblemKind.redis_unavailable, seen.redis),
        (ProblemKind.kafka_unavailable, seen.kafka),
        (ProblemKind.redis_incomplete, seen.incomplete),
    ):
        if met and kind not in kinds:
            yield _wait(met, (), seen, kind)


def _paused(worker: WorkerReport) -> Iterator[tuple[str, str, int]]:
    """Yield the name, the reason and the beginning (ms) of every wait of a worker."""
    for stage in worker.stages:
        if stage.state is StageState.paused:
            yield stage.stage, stage.reason, stage.since_ms
    for service in worker.services:
        if service.reason:
            yield service.service, service.reason, service.since_ms


def _wait(
    reason: str, names: Sequence[str], seen: Observation, kind: ProblemKind | None = None
) -> CurrentProblem:
    """Return the problem of a reason for which these stages and services wait."""
    if kind is ProblemKind.redis_incomplete or reason in _MARKS or reason == seen.incomplete:
        severity = Severity.warning if reason in _ENDING else Severity.critical
        remedy = incomplete_remedy(reason)
        return CurrentProblem(
            ProblemKind.redis_incomplete, "Redis", None, reason, remedy, severity, REQUIRED_STAGES
        )
    if kind is ProblemKind.redis_unavailable or reason.startswith("redis:"):
        remedy = redis_remedy(reason)
        return CurrentProblem(
            ProblemKind.redis_unavailable, "Redis", None, reason, remedy, stages=REQUIRED_STAGES
        )
    if kind is ProblemKind.kafka_unavailable or reason.startswith("Kafka"):
        remedy = kafka_remedy(reason)
        return CurrentProblem(
            ProblemKind.kafka_unavailable, "Kafka", None, reason, remedy, stages=REQUIRED_STAGES
        )
    subject = ", ".join(names)
    return CurrentProblem(ProblemKind.stage_paused, subject, None, reason, pause_remedy(reason), stages=names)


def _not_run(seen: Observation) -> Iterator[CurrentProblem]:
    """Yield the stages that no worker runs; without Redis that is not known."""
    if seen.redis:
        return
    if not seen.reports:
        since_ms = max(seen.last_runs.values(), default=None)
        yield CurrentProblem(
            ProblemKind.no_worker, "workers", since_ms, "", START_ALL, stages=REQUIRED_STAGES
        )
        return
    run = {name for worker in seen.reports for name in worker.stage_names}
    for name in REQUIRED_STAGES:
        if name not in run:
            since_ms = seen.last_runs.get(name)
            yield CurrentProblem(
                ProblemKind.stage_not_run, name, since_ms, "", run_stage(name), stages=(name,)
            )


def _topics(seen: Observation) -> Iterator[CurrentProblem]:
    """Yield the topics that do not exist, once for all workers."""
    stages = [stage for worker in seen.reports for stage in worker.stages if stage.missing_topics]
    topics = {topic for stage in stages for topic in stage.missing_topics} | {*seen.missing_topics}
    if topics:
        yield CurrentProblem(
            ProblemKind.topics_missing,
            "Kafka",
            min((stage.since_ms for stage in stages), default=None),
            _listed(sorted(topics)),
            "run `tocsin topics apply`; create a topic of upstream services where they do",
            stages=_in_order({stage.stage for stage in stages}) or REQUIRED_STAGES,
        )


def _reading(name: str, reports: Sequence[StageReport], seen: Observation) -> Iterator[CurrentProblem]:
    """Yield what keeps a stage from reading, or from keeping up."""
    unread = sorted({(t, n) for one in reports for t, ns in one.unread_partitions.items() for n in ns})
    stalled = [one for one in reports if one.last_progress_s > _STALLED_S]
    oldest_s = max(one.oldest_unfinished_s for one in reports)
    joined_ms = max(one.since_ms for one in reports)
    late_s = _LATE_S.get(name, 120.0)
    if unread:
        yield CurrentProblem(
            ProblemKind.partitions_unread,
            name,
            min(one.since_ms for one in reports if one.unread_partitions),
            _listed([f"{topic}-{number}" for topic, number in unread]),
            "wait a minute for the group to assign them; then restart the workers of the stage one by one",
            stages=(name,),
        )
    elif seen.now_ms - joined_ms >= _JOINING_MS and not any(one.partitions for one in reports):
        remedy = "check its topics and the access rights of its consumer group, then restart the worker"
        detail = "it has not joined its consumer group"
        yield CurrentProblem(
            ProblemKind.stage_without_partitions, name, joined_ms, detail, remedy, stages=(name,)
        )
    elif stalled:
        worst = max(stalled, key=lambda one: one.last_progress_s)
        since_ms = seen.now_ms - round(worst.last_progress_s * 1000)
        detail = f"worker {worst.worker} knows no reason for it"
        remedy = "restart the worker, and keep its log"
        yield CurrentProblem(ProblemKind.stage_stalled, name, since_ms, detail, remedy, stages=(name,))
    elif oldest_s > late_s:
        lag = sum(one.lag for one in reports)
        yield CurrentProblem(
            ProblemKind.stage_late,
            name,
            seen.now_ms - round(oldest_s * 1000),
            f"its oldest record has waited {_age(oldest_s)}, and {lag} {'waits' if lag == 1 else 'wait'}",
            late_remedy(name),
            Severity.warning,
            (name,),
        )


def _relays(seen: Observation) -> Iterator[CurrentProblem]:
    """Yield the relays that cannot be used, once for all workers."""
    relays: dict[str, list[RelayReport]] = {}
    for worker in seen.reports:
        for relay in worker.relays:
            relays.setdefault(relay.relay, []).append(relay)
    without = any(w.relays and not any(map(_usable, w.relays)) for w in seen.reports)
    for name, reports in relays.items():
        bad = sorted((one for one in reports if one.state in RELAY_KINDS), key=lambda one: one.since_ms)
        if not bad:
            continue
        worst = min(bad, key=lambda one: one.state is not RelayState.misconfigured)
        kind, since_ms = RELAY_KINDS[worst.state], bad[0].since_ms
        lasting = kind is not ProblemKind.relay_resting or seen.now_ms - since_ms >= _RESTING_MS
        words = (worst.reason.text if kind is not ProblemKind.relay_unreachable else "", worst.detail)
        senders = [one for one in seen.reports if one.relays]
        yield CurrentProblem(
            kind,
            name,
            since_ms,
            ": ".join(filter(None, words)) + _where({one.worker for one in bad}, senders),
            worst.remedy or BY_ITSELF,
            Severity.critical if without and lasting else Severity.warning,
            ("email",) if without else (),
        )


def _usable(relay: RelayReport) -> bool:
    return relay.state not in RELAY_KINDS


def _due(seen: Observation) -> Iterator[CurrentProblem]:
    """Yield deferred deliveries that are past their time, where a worker should put them back."""
    run = {name for worker in seen.reports for name in worker.stage_names}
    if seen.due_ms is not None and seen.now_ms - seen.due_ms > _OVERDUE_MS and "schedule" in run:
        detail = f"the oldest has been due for {_age((seen.now_ms - seen.due_ms) / 1000)}"
        remedy = "check `/readyz` and the log of the workers that run the stage schedule, then Kafka"
        yield CurrentProblem(
            ProblemKind.due_overdue, "schedule", seen.due_ms, detail, remedy, stages=("schedule",)
        )


def _dead_letters(seen: Observation) -> Iterator[CurrentProblem]:
    for name, reports in _by_stage(seen.reports).items():
        if count := sum(one.recent_dead_letters for one in reports):
            since = [one.dead_letters_since_ms for one in reports if one.dead_letters_since_ms is not None]
            letters = "dead letter" if count == 1 else "dead letters"
            yield CurrentProblem(
                ProblemKind.dead_letters,
                name,
                min(since, default=None),
                f"{count} {letters} in the last ten minutes",
                "run `tocsin dead-letters list --since 1h`, fix the cause, then redrive or discard them",
                Severity.warning,
            )


def _by_stage(reports: Sequence[WorkerReport]) -> Mapping[str, list[StageReport]]:
    """Return the reports of the stages that read, by the name of the stage with its lane."""
    stages: dict[str, list[StageReport]] = {}
    for worker in reports:
        for stage in worker.stages:
            if stage.state in _READING:
                stages.setdefault(stage.stage, []).append(stage)
    return stages


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Return names of stages in the order of the pipeline; those of services after them."""
    order = [*REQUIRED_STAGES, "bounces"]
    lanes = ["high", "normal", "bulk"]

    def key(name: str) -> tuple[int, int, str]:
        family, _, lane = name.partition(".")
        known = order.index(family) if family in order else len(order)
        return known, lanes.index(lane) if lane in lanes else 0, name

    return tuple(sorted(names, key=key))


def _where(workers: set[str], running: Sequence[WorkerReport]) -> str:
    """Return on which workers it is, where it is not on all of them."""
    if len(workers) == len(running):
        return ""
    return f" (on {', '.join(workers) if len(workers) == 1 else f'{len(workers)} of {len(running)} workers'})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def _age(seconds: float) -> str:
    """Return a time span in its largest unit: 45 s, 12 min, 3 h, 2 d."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
