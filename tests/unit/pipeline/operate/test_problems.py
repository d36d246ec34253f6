"""What is wrong, by what was seen: each problem once, with since when and what to do."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.model.reasons import Reason, SendReason
from service.model.relay import RelayReport, RelayState
from service.model.worker import REQUIRED_STAGES, ServiceReport, StageReport, StageState, WorkerReport
from service.pipeline.operate.problem_rules import find_problems, problems_of
from service.pipeline.operate.problems import CurrentProblem, Observation, Observer, ProblemKind, Severity
from service.ports import ABSENT, CATCHING_UP, FILLING, REBUILDING, Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.due import FakeDueSet
from tests.fakes.tables import FakeTables
from tests.fakes.worker_reports import FakeWorkerReports

NOW = 1_700_000_000_000
LONG_AGO = NOW - 600_000
NAMES = ("resolve", "inbox", "email.high", "email.normal", "email.bulk", "tables")


def stage(name: str, worker: str = "w1", **fields: Any) -> StageReport:
    """Return the report of a stage that reads its topic and has nothing to do."""
    given = {"state": StageState.running, "since_ms": LONG_AGO, "partitions": {name: (0, 1)}} | fields
    return StageReport(worker=worker, stage=name, **given)


def relay(name: str = "main", worker: str = "w1", **fields: Any) -> RelayReport:
    """Return the report of a relay that works."""
    return RelayReport(worker=worker, relay=name, **({"state": RelayState.ok, "since_ms": LONG_AGO} | fields))


def worker(
    *stages: StageReport, name: str = "w1", schedule: str = "", relays: Sequence[RelayReport] = ()
) -> WorkerReport:
    """Return the report of a worker with all stages; `stages` replace those of their names."""
    changed = {one.stage: one for one in stages}
    return WorkerReport(
        worker=name,
        at_ms=NOW,
        started_ms=LONG_AGO,
        version="1",
        stages=tuple(changed.get(one) or stage(one, name) for one in NAMES),
        services=(ServiceReport(worker=name, service="schedule", reason=schedule, since_ms=LONG_AGO),),
        relays=tuple(relays) or (relay(worker=name),),
    )


def paused(reason: str, *names: str, name: str = "w1", since_ms: int = LONG_AGO) -> WorkerReport:
    """Return a worker of which these stages, or all, wait."""
    waits = {"state": StageState.paused, "reason": reason, "since_ms": since_ms}
    return worker(*(stage(one, name, **waits) for one in names or NAMES), name=name)


def find(*reports: WorkerReport, **seen: Any) -> Sequence[CurrentProblem]:
    """Return the problems of these workers."""
    return find_problems(Observation(NOW, reports, **seen))


def only(*reports: WorkerReport, **seen: Any) -> CurrentProblem:
    """Return the only problem of these workers."""
    problems = find(*reports, **seen)
    assert len(problems) == 1, [problem.sentence for problem in problems]
    return problems[0]


def test_nothing_is_wrong() -> None:
    """All stages read, all relays take mail, deferred mail is not overdue."""
    assert not find(worker(), due_ms=NOW + 1)
    assert not find(worker(), worker(name="w2"), due_ms=NOW - 30_000)


def test_no_worker_runs() -> None:
    """One problem, not one for each stage; since the last report that any worker wrote."""
    problem = only(last_runs={"email": LONG_AGO, "inbox": LONG_AGO - 1})
    assert (problem.kind, problem.since_ms, problem.severity) == (
        ProblemKind.no_worker,
        LONG_AGO,
        Severity.critical,
    )
    assert problem.remedy == "start one: `tocsin worker`"
    assert only().since_ms is None


@pytest.mark.parametrize("name", REQUIRED_STAGES)
def test_no_worker_runs_a_stage(name: str) -> None:
    """Each of the stages that an installation needs is named, with the command that runs it."""
    full = worker()
    without = full.model_copy(
        update={
            "stages": tuple(one for one in full.stages if one.name != name),
            "services": () if name == "schedule" else full.services,
        }
    )
    problem = only(without, last_runs={name: LONG_AGO})
    assert (problem.kind, problem.subject, problem.since_ms) == (
        ProblemKind.stage_not_run,
        name,
        LONG_AGO,
    )
    assert problem.remedy == f"start one: `tocsin worker --stages {name}`"
    assert problem.concerns(name)


def test_without_redis_nothing_is_known_of_workers() -> None:
    """So it is not claimed that none runs."""
    problem = only(redis="redis: cannot connect")
    assert problem.sentence == "Redis cannot be used: redis: cannot connect"
    assert "TOCSIN_REDIS__URL" in problem.remedy


def test_all_stages_wait_for_one_reason() -> None:
    """That is one problem, since the first of them waits; the observer that meets the same adds none."""
    reason = "Kafka at broker:9092 does not answer"
    first, second = paused(reason), paused(reason, name="w2", since_ms=NOW - 5000)
    problem = only(second, first, kafka=reason)
    assert (problem.kind, problem.since_ms, problem.detail) == (
        ProblemKind.kafka_unavailable,
        LONG_AGO,
        reason,
    )
    assert "TOCSIN_KAFKA__BOOTSTRAP" in problem.remedy
    assert all(problem.concerns(name) for name in (*NAMES, *REQUIRED_STAGES))


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Kafka at b:9092 refuses our credentials", "TOCSIN_KAFKA__PASSWORD"),
        ("Kafka at b:9092: its certificate is not trusted", "TOCSIN_KAFKA__CA_FILE"),
        ("Kafka at b:9092 does not speak TLS", "TOCSIN_KAFKA__SECURITY"),
        ("redis: it refuses our credentials", "TOCSIN_REDIS__URL"),
        ("redis: it is out of memory", "maxmemory"),
        ("redis: it has too few replicas", "min-replicas-to-write"),
        (
            "redis: another server answers; what it may lack is read again from Kafka first",
            "ends by itself",
        ),
    ],
)
def test_a_remedy_fits_the_reason(reason: str, remedy: str) -> None:
    """Where the cause is known, the setting that has to do with it is named."""
    assert remedy in only(paused(reason)).remedy


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (ABSENT, "tocsin rebuild"),
        (REBUILDING, "tocsin rebuild"),
        (CATCHING_UP, "by itself"),
        (FILLING, "by itself"),
    ],
)
def test_redis_is_not_complete(reason: str, remedy: str) -> None:
    """Said once, since the stages wait for it; also where no stage has seen it yet."""
    problem = only(paused(reason), incomplete=reason)
    assert (problem.kind, problem.since_ms) == (ProblemKind.redis_incomplete, LONG_AGO)
    assert remedy in problem.remedy
    assert only(worker(), incomplete=reason).since_ms is None


def test_a_stage_waits_for_something_else() -> None:
    """It is named with its reason and, as it is not on all workers, with the worker."""
    problem = only(paused("a dead letter cannot be written: x", "inbox"), worker(name="w2"))
    assert problem.sentence == "inbox is paused: a dead letter cannot be written: x (on w1)"
    assert problem.concerns("inbox")
    assert not problem.concerns("email")


def test_what_is_over_before_the_next_report_is_no_problem() -> None:
    """A stage that waits for half a second, as each does at its start, is not named."""
    assert not find(paused("readiness has not been checked yet", since_ms=NOW))


def test_the_scheduler_waits() -> None:
    """A service beside the stages is named as a stage."""
    assert only(worker(schedule="redis: cannot connect")).kind is ProblemKind.redis_unavailable
    assert only(worker(schedule="a step failed: KeyError")).subject == "schedule"


def test_a_relay_that_refuses_us() -> None:
    """Its own words, since when, and what to do; the stage that waits for it is not named beside it."""
    refusing = relay(
        state=RelayState.misconfigured,
        reason=SendReason.auth_failed,
        detail="535 5.7.8 Authentication failed",
    )
    waits = {"state": StageState.paused, "reason": "no relay takes mail"}
    problem = only(worker(stage("email.high", **waits), relays=[refusing]))

    assert problem.kind is ProblemKind.relay_misconfigured
    assert problem.sentence == (
        "relay main cannot be used: the relay refuses our credentials: 535 5.7.8 Authentication failed"
    )
    assert (problem.subject, problem.since_ms, problem.severity) == ("main", LONG_AGO, Severity.critical)
    assert problem.remedy == "check the user name and the password of this relay"
    assert problem.concerns("email.high")
    assert not problem.concerns("inbox")


def test_a_relay_with_a_fallback_is_a_warning() -> None:
    """Mail goes to the next relay, so no delivery waits for it."""
    away = relay(state=RelayState.breaker_open, reason=Reason.relay_unavailable, detail="refused")
    problem = only(worker(relays=[away, relay("second")]))
    assert problem.sentence == "relay main does not answer: refused"
    assert (problem.severity, problem.concerns("email")) == (Severity.warning, False)


def test_a_cooldown_is_critical_once_it_lasts() -> None:
    """Every relay asks for a pause now and then."""
    short = relay(state=RelayState.cooldown, reason=Reason.rate_limited, detail="421", since_ms=NOW - 59_000)
    assert only(worker(relays=[short])).severity is Severity.warning
    long = short.model_copy(update={"since_ms": NOW - 60_000})
    assert only(worker(relays=[long])).severity is Severity.critical


def test_a_relay_on_trial_is_no_problem() -> None:
    """It takes mail again; without mail it stays on trial for ever."""
    assert not find(worker(relays=[relay(state=RelayState.trial, reason=Reason.relay_unavailable)]))


def test_a_relay_that_some_workers_cannot_use() -> None:
    """The others can, so it is said where."""
    away = relay(worker="w2", state=RelayState.breaker_open, detail="timed out")
    problem = only(worker(), worker(name="w2", relays=[away]), worker(name="w3"))
    assert problem.detail == "timed out (on w2)"


def test_a_missing_topic_is_named_once() -> None:
    """By all workers and stages together, and instead of what follows from it."""
    missing = {"state": StageState.incomplete, "missing_topics": ("dispatch.inbox",), "partitions": {}}
    problem = only(worker(stage("inbox", **missing)), worker(stage("inbox", "w2", **missing), name="w2"))
    assert problem.sentence == "topics are missing: dispatch.inbox"
    assert "tocsin topics apply" in problem.remedy
    assert problem.concerns("inbox")


def test_unread_partitions_are_named_once() -> None:
    """Every member of the group sees them."""
    unread = {"state": StageState.incomplete, "unread_partitions": {"events": tuple(range(7))}}
    problem = only(worker(stage("resolve", **unread)), worker(stage("resolve", "w2", **unread), name="w2"))
    assert (
        problem.sentence
        == "resolve: no worker reads events-0, events-1, events-2, events-3, events-4 and 2 more"
    )


def test_a_stage_that_holds_no_partition() -> None:
    """After half a minute; a worker beyond the number of partitions holds none and is well."""
    starting = {"state": StageState.starting, "partitions": {}}
    assert only(worker(stage("inbox", **starting))).kind is ProblemKind.stage_without_partitions
    assert not find(worker(stage("inbox", **starting, since_ms=NOW - 29_000)))
    assert not find(worker(stage("inbox", partitions={})), worker(name="w2"))


def test_a_stage_that_stalls() -> None:
    """It has work, makes no progress, and knows no reason."""
    problem = only(worker(stage("inbox", last_progress_s=90.0)))
    assert (problem.kind, problem.since_ms) == (ProblemKind.stage_stalled, NOW - 90_000)
    assert "w1" in problem.detail


@pytest.mark.parametrize(
    ("name", "well_s", "late_s"),
    [
        ("email.high", 30.0, 31.0),
        ("email.bulk", 3600.0, 3601.0),
        ("email.normal", 120.0, 121.0),
        ("inbox", 120.0, 121.0),
    ],
)
def test_a_stage_that_is_behind(name: str, well_s: float, late_s: float) -> None:
    """By the age of its oldest record, as the alerts have it."""
    assert not find(worker(stage(name, oldest_unfinished_s=well_s)))
    problem = only(worker(stage(name, oldest_unfinished_s=late_s, lag=3)))
    assert (problem.kind, problem.since_ms, problem.severity) == (
        ProblemKind.stage_late,
        NOW - round(late_s * 1000),
        Severity.warning,
    )


def test_a_stage_is_not_behind_beside_its_cause() -> None:
    """While its relay does not answer, its age is no problem of its own."""
    away = relay(state=RelayState.breaker_open, detail="refused")
    assert only(worker(stage("email.high", oldest_unfinished_s=900.0), relays=[away])).subject == "main"


def test_deferred_mail_is_overdue() -> None:
    """A worker runs the stage and does not put it back; where none runs it, that is the problem."""
    problem = only(worker(), due_ms=NOW - 61_000)
    assert (problem.kind, problem.since_ms) == (ProblemKind.due_overdue, NOW - 61_000)
    without = worker().model_copy(update={"services": ()})
    assert only(without, due_ms=NOW - 61_000).kind is ProblemKind.stage_not_run


def test_dead_letters_of_the_last_minutes() -> None:
    """A warning: nothing waits for them."""
    first = worker(stage("resolve", recent_dead_letters=2, dead_letters_since_ms=NOW - 9000))
    second = worker(
        stage("resolve", "w2", recent_dead_letters=1, dead_letters_since_ms=NOW - 8000), name="w2"
    )
    problem = only(first, second)
    assert problem.sentence == "resolve wrote 3 dead letters in the last ten minutes"
    assert (problem.since_ms, problem.severity) == (NOW - 9000, Severity.warning)
    assert "tocsin dead-letters list" in problem.remedy


def test_the_most_severe_comes_first() -> None:
    """Then what to solve first."""
    away = relay(state=RelayState.breaker_open, detail="refused")
    problems = find(
        worker(
            stage("resolve", recent_dead_letters=1),
            stage("inbox", state=StageState.paused, reason="x"),
            relays=[away],
        ),
        incomplete=ABSENT,
    )
    assert [problem.kind for problem in problems] == [
        ProblemKind.redis_incomplete,
        ProblemKind.stage_paused,
        ProblemKind.relay_unreachable,
        ProblemKind.dead_letters,
    ]


def test_a_worker_knows_its_own_problems() -> None:
    """It does not know which stages other workers run."""
    away = relay(state=RelayState.breaker_open, detail="refused")
    alone = worker(relays=[away]).model_copy(update={"stages": ()})
    assert [problem.kind for problem in problems_of(alone)] == [ProblemKind.relay_unreachable]


def test_every_kind_has_a_sentence() -> None:
    """Also those that no other test names."""
    for kind in ProblemKind:
        sentence = CurrentProblem(kind, "subject", None, "detail", "remedy").sentence
        assert sentence
        assert "{" not in sentence


async def test_the_observer_looks_at_everything() -> None:
    """Reports, marks, due set, Kafka."""
    clock, reports, tables = FakeClock(), FakeWorkerReports(), FakeTables(complete=False)
    report = worker().model_copy(update={"at_ms": clock.now_ms()})
    await reports.put(report)

    async def kafka() -> str | None:
        raise Unavailable("Kafka at b:9092 does not answer")

    seen = await Observer(reports, tables, FakeDueSet(), clock, kafka).observe()
    assert (seen.reports, seen.kafka, seen.redis) == ([report], "Kafka at b:9092 does not answer", None)
    assert seen.incomplete
    assert seen.last_runs["email"] == clock.now_ms()


async def test_the_observer_without_redis() -> None:
    """The reason is what was seen."""

    class NoReports(FakeWorkerReports):
        async def current(self, now_ms: int) -> Sequence[WorkerReport]:
            raise Unavailable("redis: cannot connect")

    seen = await Observer(NoReports(), FakeTables(), FakeDueSet(), FakeClock()).observe()
    assert [problem.kind for problem in find_problems(seen)] == [ProblemKind.redis_unavailable]
