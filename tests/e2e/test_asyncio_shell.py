"""A worker on plain asyncio, in whose process Faust cannot be imported (ADR 19)."""

import asyncio
import signal
import subprocess
import sys

import httpx

from service.dev.ports import free_port
from tests.support.paths import ROOT
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

BLOCKED = str(ROOT / "tests" / "support" / "without_faust")
EVENTS = 60


def test_faust_cannot_be_imported_there() -> None:
    """Else the test below proves nothing."""
    for name in ("faust", "mode"):
        result = subprocess.run(
            [sys.executable, "-c", f"import {name}"],
            env={"PYTHONPATH": BLOCKED},
            capture_output=True,
            check=False,
        )
        assert b"is blocked" in result.stderr


async def test_a_worker_without_faust_delivers_each_event_once() -> None:
    """To mail and inbox, also what is published while it stops and a second one starts.

    It shows live rates, and reloads at SIGHUP.
    """
    async with RealPipeline() as pipeline:
        ports = free_port(), free_port()
        workers = [
            {
                "TOCSIN_WORKER__SHELL": "asyncio",
                "TOCSIN_WORKER__METRICS_PORT": str(port),
                "PYTHONPATH": BLOCKED,
            }
            for port in ports
        ]
        events = [
            {
                "id": f"{n}",
                "source": "/t",
                "type": "overbid",
                "recipients": ["alice", "bob"],
                "data": {"lot_id": f"{n}"},
            }
            for n in range(EVENTS)
        ]
        first = pipeline.start_worker("resolve,inbox,email,schedule,tables,rates", **workers[0])
        await wait_until_ready(f"http://127.0.0.1:{ports[0]}/readyz")
        await pipeline.publish(*events[: EVENTS // 2])
        await pipeline.wait_until_finished("/t", "0")
        await eventually(lambda: _are_shown(ports[0]))
        first.send_signal(signal.SIGHUP)
        await eventually(lambda: _has_looked(ports[0]), 30)
        first.terminate()
        await pipeline.publish(*events[EVENTS // 2 :])
        assert await asyncio.to_thread(first.wait, 60) == 0
        second = pipeline.start_worker(**workers[1])
        for event in events:
            await pipeline.wait_until_finished("/t", str(event["id"]))
        second.terminate()
        assert await asyncio.to_thread(second.wait, 60) == 0

        mails = pipeline.mail_counts()
        assert set(mails.values()) == {1}
        assert sum(address == "bob@example.com" for address, _ in mails) == EVENTS
        assert await pipeline.parts.inbox.counts("alice") == {"overbid": EVENTS}
        states = {step.state.value for entry in await pipeline.entries("/t", "0") for step in entry.steps}
        assert "ambiguous" not in states


async def _are_shown(port: int) -> bool:
    """Return whether the live rates count the inbox entries."""
    async with httpx.AsyncClient() as client:
        rates = (await client.get(f"http://127.0.0.1:{port}/rates")).json()
    return bool(rates.get("delivered/overbid"))


async def _has_looked(port: int) -> bool:
    """Return whether a reload has found that no file has changed."""
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return 'tocsin_catalogue_reloads_total{result="unchanged"} 1.0' in metrics
