"""Spec of the WorkerReports port."""

from service.model.reasons import Reason, SendReason
from service.model.relay import RelayReply, RelayReport, RelayState
from service.model.worker import ServiceReport, StageReport, StageState, WorkerReport
from tests.specs.backend import Backend


def report(worker: str, at_ms: int, stage: str = "email.high") -> WorkerReport:
    """Return the report of a worker with one stage, the scheduler and one relay."""
    return WorkerReport(
        worker=worker,
        at_ms=at_ms,
        started_ms=3,
        version="1",
        stages=(
            StageReport(
                worker=worker,
                stage=stage,
                state=StageState.incomplete,
                reason="no worker reads a-1",
                since_ms=5,
                partitions={"a": (0, 2)},
                lag=7,
                missing_topics=("b",),
                unread_partitions={"a": (1,)},
            ),
        ),
        services=(
            ServiceReport(worker=worker, service="schedule", reason="redis: cannot connect", since_ms=6),
        ),
        relays=(
            RelayReport(
                worker=worker,
                relay="relay1",
                state=RelayState.misconfigured,
                since_ms=7,
                reason=SendReason.auth_failed,
                detail="535 5.7.8 No",
                rate=0.5,
                replies=(RelayReply(at_ms=8, code=250, text="2.0.0 Ok"),),
            ),
            RelayReport(worker=worker, relay="relay2", state=RelayState.ok, since_ms=9, reason=Reason.none),
        ),
    )


async def test_the_newest_report_of_each_worker(backend: Backend) -> None:
    """A worker's report replaces its earlier one, and comes back as it was."""
    now = backend.clock.now_ms()
    await backend.reports.put(report("b", now))
    await backend.reports.put(report("a", now, "inbox"))
    await backend.reports.put(report("a", now, "resolve"))

    assert list(await backend.reports.current(now)) == [report("a", now, "resolve"), report("b", now)]


async def test_a_worker_that_is_gone_is_left_out(backend: Backend) -> None:
    """Without a report for fifteen seconds a worker does not run, and says nothing about its stages."""
    now = backend.clock.now_ms()
    await backend.reports.put(report("a", now))

    assert len(await backend.reports.current(now + 15_000)) == 1
    assert list(await backend.reports.current(now + 15_001)) == []
    assert list(await backend.reports.current(now)) == []


async def test_a_worker_that_stops_is_left_out_at_once(backend: Backend) -> None:
    """It removes its report; the others' remain."""
    now = backend.clock.now_ms()
    await backend.reports.put(report("a", now))
    await backend.reports.put(report("b", now))
    await backend.reports.remove("a")
    await backend.reports.remove("never there")

    assert [one.worker for one in await backend.reports.current(now)] == ["b"]


async def test_the_last_run_of_a_stage_outlives_its_worker(backend: Backend) -> None:
    """By the name of the stage, without the lane; services beside the stages are in it."""
    now = backend.clock.now_ms()
    await backend.reports.put(report("a", now))
    await backend.reports.put(report("b", now + 5))
    await backend.reports.put(report("b", now + 6, "inbox"))
    await backend.reports.remove("a")
    await backend.reports.remove("b")

    assert await backend.reports.last_runs() == {"email": now + 5, "inbox": now + 6, "schedule": now + 6}
