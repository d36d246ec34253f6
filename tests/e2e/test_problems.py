"""What is wrong is said where people look, with real worker processes: since when, why, and what to do."""

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Any

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from service.dev.ports import free_port
from service.pipeline.operate.explain import ExplainQuery
from tests.support.api_process import api_server
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

STAGES = "resolve,inbox,email,schedule,tables"
EVENT = {"id": "1", "source": "/e2e", "type": "overbid", "recipients": ["alice"], "data": {"lot_id": "1"}}


async def problems_of(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await client.get("/v1/problems")).raise_for_status().json()["problems"])


async def wait_for(client: httpx.AsyncClient, *kinds: str, timeout_s: float = 60) -> list[dict[str, Any]]:
    """Wait until these are the kinds of all problems; return them."""
    seen: list[dict[str, Any]] = []

    async def reported() -> bool:
        nonlocal seen
        seen = await problems_of(client)
        return [one["kind"] for one in seen] == [*kinds]

    await eventually(reported, timeout_s, lambda: str(seen))
    return seen


async def failed_checks(pipeline: RealPipeline) -> Sequence[tuple[str, str, str]]:
    """Return check, detail and remedy of the findings of `doctor` on what the workers report."""
    _, findings, _ = await pipeline.tocsin("doctor", "--json")
    reported = ("workers", "stages", "dead letters")
    return [
        (finding["check"], finding["detail"], finding["remedy"])
        for finding in findings
        if finding["status"] in ("warn", "fail")
        and (finding["check"].startswith("relay ") or finding["check"] in reported)
    ]


async def test_a_relay_that_does_not_answer() -> None:
    """The API, `doctor`, `explain` and `/readyz` name it, until it is started; then the mail is sent."""
    probe, port = free_port(), free_port()
    variables = {"TOCSIN_SMTP__PORT": str(port), "TOCSIN_MODE": "dev"}
    async with (
        RealPipeline(partitions=1, variables=variables) as pipeline,
        api_server(pipeline, "op", "operate") as (client, _),
    ):
        pipeline.start_worker(STAGES, TOCSIN_WORKER__METRICS_PORT=str(probe))
        began_ms = int(time.time() * 1000)
        await pipeline.publish(EVENT)
        (problem,) = await wait_for(client, "relay_unreachable")
        assert (problem["subject"], problem["severity"]) == ("relay1", "critical")
        assert began_ms - 1000 <= problem["since_ms"] <= time.time() * 1000
        assert "TOCSIN_SMTP__HOST" in problem["remedy"]

        ((check, detail, remedy),) = await failed_checks(pipeline)
        assert (check, remedy) == ("relay relay1", problem["remedy"])
        assert detail.startswith(f"{problem['sentence']}, since 2")

        explained = await pipeline.parts.explain()(ExplainQuery(event="1"))
        assert explained["problems"] == [problem]
        async with httpx.AsyncClient() as worker:
            answer = await worker.get(f"http://127.0.0.1:{probe}/readyz")
        assert problem["sentence"] in answer.json()["reasons"]["relay relay1"]
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert [one["kind"] for one in ready.json()["problems"]] == ["relay_unreachable"]

        controller = Controller(Sink(), hostname="127.0.0.1", port=port)
        controller.start()
        try:
            await pipeline.wait_until_finished("/e2e", "1")
            await wait_for(client)
            assert not await failed_checks(pipeline)
            (worker_report,) = (await client.get("/v1/workers")).json()["workers"]
            (relay,) = worker_report["relays"]
            assert (relay["state"], relay["replies"][0]["code"]) == ("ok", 250)
        finally:
            controller.stop()
        assert (await pipeline.parts.explain()(ExplainQuery(event="1")))["problems"] == []


async def test_workers_that_stop_and_that_die() -> None:
    """A worker that stops is gone at once, with since when its stages do not run; one that dies within 15 s."""
    async with RealPipeline(partitions=1) as pipeline, api_server(pipeline, "op", "operate") as (client, _):
        (never,) = await wait_for(client, "no_worker")
        assert never["since_ms"] is None
        assert [check for check, _, _ in await failed_checks(pipeline)] == ["workers"]

        first = pipeline.start_worker(STAGES)
        await wait_for(client)
        first.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait, 60) == 0
        (problem,) = await problems_of(client)
        assert (problem["kind"], problem["remedy"]) == ("no_worker", "start one: `tocsin worker`")
        assert problem["since_ms"] > time.time() * 1000 - 60_000

        second, port = pipeline.start_worker("resolve,inbox,schedule,tables"), free_port()
        third = pipeline.start_worker("email", TOCSIN_WORKER__METRICS_PORT=str(port))
        await wait_until_ready(f"http://127.0.0.1:{port}/readyz")
        await wait_for(client)
        third.kill()
        (email,) = await wait_for(client, "stage_not_run")
        assert (email["subject"], email["remedy"]) == ("email", "start one: `tocsin worker --stages email`")
        assert email["since_ms"] > problem["since_ms"]
        second.kill()
        await wait_for(client, "no_worker")
