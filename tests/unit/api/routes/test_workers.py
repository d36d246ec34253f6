"""GET /v1/workers and /v1/problems, and the problems in /readyz and /metrics."""

from dataclasses import replace

import httpx
import pytest

from service.api.metrics_server import metrics_app
from service.model.reasons import SendReason
from service.model.relay import RelayReport, RelayState
from service.model.worker import REQUIRED_STAGES, ServiceReport, StageReport, StageState, WorkerReport
from service.pipeline.operate.problems import Observer
from tests.fakes.due import FakeDueSet
from tests.fakes.worker_reports import FakeWorkerReports
from tests.support.api_fixture import ApiFixture


@pytest.fixture
async def reported(api: ApiFixture) -> ApiFixture:
    """Return an API with one worker, whose relay refuses its login."""
    now = api.clock.now_ms()
    relay = RelayReport(
        worker="w1",
        relay="main",
        state=RelayState.misconfigured,
        since_ms=now - 5000,
        reason=SendReason.auth_failed,
        detail="535 5.7.8 No",
    )
    stages = tuple(
        StageReport(
            worker="w1", stage=name, state=StageState.running, since_ms=now, partitions={name: (0, 1)}
        )
        for name in REQUIRED_STAGES
        if name != "schedule"
    )
    report = WorkerReport(
        worker="w1",
        at_ms=now,
        started_ms=now - 9000,
        version="1",
        stages=stages,
        services=(ServiceReport(worker="w1", service="schedule", since_ms=now),),
        relays=(relay,),
    )
    reports = FakeWorkerReports()
    await reports.put(report)
    api.app.state.deps = replace(
        api.deps,
        observer=Observer(reports, api.tables, FakeDueSet(), api.clock),  # type: ignore[arg-type]
    )
    return api


async def test_workers_with_their_stages_and_relays(reported: ApiFixture) -> None:
    """As the workers report them."""
    answer = await reported.client.get("/v1/workers", headers=reported.bearer("op", "operate"))
    (worker,) = answer.json()["workers"]
    assert [stage["stage"] for stage in worker["stages"]] == ["resolve", "inbox", "email", "tables"]
    assert worker["stages"][0]["partitions"] == {"resolve": [0, 1]}
    assert worker["services"][0]["service"] == "schedule"
    assert (worker["relays"][0]["state"], worker["relays"][0]["detail"]) == ("misconfigured", "535 5.7.8 No")


async def test_what_is_wrong(reported: ApiFixture) -> None:
    """Since when, why in the relay's own words, and what to do."""
    answer = await reported.client.get("/v1/problems", headers=reported.bearer("op", "operate"))
    (problem,) = answer.json()["problems"]
    assert problem == {
        "kind": "relay_misconfigured",
        "severity": "critical",
        "subject": "main",
        "since_ms": reported.clock.now_ms() - 5000,
        "sentence": "relay main cannot be used: the relay refuses our credentials: 535 5.7.8 No",
        "detail": "the relay refuses our credentials: 535 5.7.8 No",
        "remedy": "check the user name and the password of this relay",
        "stages": ["email"],
    }


async def test_readiness_names_problems_and_stays_ready(reported: ApiFixture) -> None:
    """The API serves requests while a relay refuses us; without a credential no words of the relay are shown."""
    answer = await reported.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "ready",
            "reasons": {},
            "problems": [
                {
                    "kind": "relay_misconfigured",
                    "severity": "critical",
                    "since_ms": reported.clock.now_ms() - 5000,
                }
            ],
        },
    )


async def test_problems_are_counted(reported: ApiFixture) -> None:
    """By kind and severity, with a 0 for those that there are not, so that an alert ends."""
    transport = httpx.ASGITransport(metrics_app(reported.app.state.deps.observer))
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        text = (await client.get("/metrics")).text
    assert 'tocsin_problems{kind="relay_misconfigured",severity="critical"} 1.0' in text
    assert 'tocsin_problems{kind="relay_misconfigured",severity="warning"} 0.0' in text
    assert 'tocsin_problems{kind="no_worker",severity="critical"} 0.0' in text


async def test_without_workers(api: ApiFixture) -> None:
    """The list of workers is empty, and that is what is wrong."""
    headers = api.bearer("op", "operate")
    assert (await api.client.get("/v1/workers", headers=headers)).json() == {"workers": []}
    problems = (await api.client.get("/v1/problems", headers=headers)).json()["problems"]
    assert [problem["kind"] for problem in problems] == ["no_worker"]
