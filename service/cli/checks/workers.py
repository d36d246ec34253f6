"""Check of what runs: workers with their stages and relays, what is wrong now, and what a new installation lacks."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from service.cli.checks import Finding, Status, hint, ok, warn
from service.cli.checks.kafka import nothing_dispatched
from service.cli.support.times import iso
from service.model.worker import REQUIRED_STAGES
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import CurrentProblem, Observation, ProblemKind, Severity
from service.ports import ABSENT, Unavailable
from service.settings import Settings

if TYPE_CHECKING:
    from service.adapters.redis.client import Store

_CHECKS = {
    ProblemKind.redis_unavailable: "redis",
    ProblemKind.kafka_unavailable: "kafka",
    ProblemKind.redis_incomplete: "tables",
    ProblemKind.topics_missing: "topics",
    ProblemKind.no_worker: "workers",
    ProblemKind.stage_not_run: "workers",
    ProblemKind.relay_misconfigured: "relay {subject}",
    ProblemKind.relay_unreachable: "relay {subject}",
    ProblemKind.relay_resting: "relay {subject}",
    ProblemKind.dead_letters: "dead letters",
}
"""The name of the check, which other checks of the same dependency have too; for other problems it is `stages`."""


async def observe(settings: Settings) -> Observation | None:
    """Return what is seen in Redis; None where its URL cannot be used, which the check of Redis says."""
    from service.adapters.redis.client import Store
    from service.adapters.redis.delivery.due import RedisDueSet
    from service.adapters.redis.delivery.worker_reports import RedisWorkerReports
    from service.adapters.redis.tables.tables import RedisTables
    from service.adapters.system_clock import SystemClock
    from service.pipeline.operate.problems import Observer

    try:
        store = Store(settings.redis)
    except (OSError, ValueError):
        return None
    try:
        observer = Observer(RedisWorkerReports(store), RedisTables(store), RedisDueSet(store), SystemClock())
        seen = await observer.observe()
    finally:
        await store.close()
    if seen.incomplete == ABSENT and not seen.reports and await nothing_dispatched(settings):
        return replace(seen, incomplete=None)  # a new installation lacks nothing but a worker, which fills it
    return seen


def check_running(seen: Observation | None) -> Sequence[Finding]:
    """Return a finding for each problem, and one on the workers; none where Redis cannot be read."""
    if seen is None or seen.redis:
        return []
    findings = [problem_finding(problem, seen) for problem in find_problems(seen)]
    if not any(finding.check == "workers" for finding in findings):
        names = {name for worker in seen.reports for name in worker.stage_names}
        run = [*REQUIRED_STAGES, *sorted(names & {"bounces"})]
        count = len(seen.reports)
        workers = "1 worker runs" if count == 1 else f"{count} workers run"
        findings.insert(0, ok("workers", f"{workers} {', '.join(run)}"))
    return [*findings, *_versions(seen)]


def _versions(seen: Observation) -> Iterator[Finding]:
    """Yield a warning where workers have different versions of catalogue and templates."""
    versions = Counter(report.catalogue for report in seen.reports if report.catalogue)
    if len(versions) > 1:
        detail = ", ".join(f"{version} on {count}" for version, count in versions.most_common())
        remedy = "send SIGHUP to the workers, and look for `catalogue_reload_failed` in their logs"
        yield warn("workers", f"they have different catalogues or templates: {detail}", remedy)


def problem_finding(problem: CurrentProblem, seen: Observation) -> Finding:
    """Return a problem as a finding: what is wrong, since when, and what to do.

    An installation on which no worker has ever run is not broken: it is not finished.
    """
    check = _CHECKS.get(problem.kind, "stages").format(subject=problem.subject)
    since = f", since {iso(problem.since_ms)}" if problem.since_ms else ""
    begun = problem.kind is not ProblemKind.no_worker or bool(seen.last_runs)
    status = Status.fail if problem.severity is Severity.critical and begun else Status.warn
    return Finding(check, status, f"{problem.sentence}{since}", problem.remedy)


async def check_rows(settings: Settings) -> Sequence[Finding]:
    """Return the next steps of a new installation: recipients, a key for upstream services, the first event."""
    from service.adapters.redis.client import Store

    try:
        store = Store(settings.redis)
    except (OSError, ValueError):
        return []
    try:
        return [finding async for finding in _steps(settings, store)]
    except Unavailable:  # the check of Redis names it
        return []
    finally:
        await store.close()


async def _steps(settings: Settings, store: "Store") -> AsyncIterator[Finding]:
    from service.adapters.redis.operate.inventory import holds_rows
    from service.adapters.redis.tables.credentials import RedisApiKeys

    if not await holds_rows(store):
        remedy = "run `tocsin recipients import FILE`, or write them by the API or to the topics tables.*"
        yield hint("recipients", "there are no recipients, groups or contacts yet", remedy)
    if not any(not key.revoked_ms for key in await RedisApiKeys(store).all()):
        remedy = "for upstream services that publish by HTTP, run `tocsin keys create NAME`"
        yield hint("api keys", "there is none", remedy)
    if await nothing_dispatched(settings):
        remedy = "run `tocsin publish overbid --sample`, then `tocsin explain --event ID`"
        yield hint("first event", "nothing was ever sent", remedy)
