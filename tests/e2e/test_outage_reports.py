"""Signals of an outage: ages that grow, stages that are paused, and a log that stays short."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from service.dev.ports import free_port
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

STAGES = ["resolve", "inbox", "email.high", "email.normal", "email.bulk", "tables"]


async def test_an_unavailable_relay_shows_as_age() -> None:
    """The oldest unfinished delivery ages by Kafka's clock, its lane is paused, its relay named; no other lane ages."""
    async with RealPipeline(partitions=1, variables={"TOCSIN_SMTP__PORT": str(free_port())}) as pipeline:
        port = free_port()
        pipeline.start_worker(TOCSIN_WORKER__METRICS_PORT=str(port))
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "overbid",
            "recipients": ["alice"],
            "data": {"lot_id": "1"},
        }
        await pipeline.publish(event)
        expected = {
            'tocsin_stage_paused{stage="email.high"}': 1,
            'tocsin_stage_in_flight{stage="email.high"}': 2,
            'tocsin_relay_state{relay="relay1",state="breaker_open"}': 1,
            'tocsin_oldest_unfinished_seconds{stage="email.bulk"}': 0,
            'tocsin_oldest_unfinished_seconds{stage="inbox"}': 0,
        }
        shown: dict[str, float] = {}

        async def reported() -> bool:
            nonlocal shown
            shown = await _metrics(port)
            aged = shown.get('tocsin_oldest_unfinished_seconds{stage="email.high"}', 0) > 3
            return aged and expected.items() <= shown.items()

        await eventually(reported, 60, lambda: str(shown))


async def test_an_unavailable_broker_is_logged_once_per_stage(tmp_path: Path) -> None:
    """Each stage logs one line, however often its client retries."""
    attempts = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    log = tmp_path / "log"
    async with RealPipeline(partitions=1) as pipeline, server:
        env = pipeline.environment(TOCSIN_LOG_LEVEL="INFO", TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{port}")
        with log.open("wb") as stderr:
            command = [
                sys.executable,
                "-m",
                "service.cli",
                "worker",
                "--stages",
                "resolve,inbox,email,tables",
            ]
            pipeline.workers.append(subprocess.Popen(command, cwd=ROOT, env=env, stderr=stderr))

        await eventually(
            lambda: attempts > 60 and len(_problems(log, "streams.consumer.stage")) >= len(STAGES),
            60,
            lambda: f"{attempts} attempts, {_problems(log)}",
        )
    problems = _problems(log)
    ours = [line for line in problems if line["logger"] == "streams.consumer.stage"]
    assert {line["event"] for line in ours} == {"consumer_failed"}
    assert sorted(line["stage"] for line in ours) == sorted(STAGES)
    assert len(problems) < len(STAGES) + 8, [line["event"] for line in problems]


def _problems(log: Path, logger: str = "") -> list[dict[str, Any]]:
    """Return the warnings and errors that are logged so far, of one logger or of all."""
    whole = log.read_text().rpartition("\n")[0]  # the last line may still be written
    lines = [json.loads(line) for line in whole.splitlines()]
    return [
        line
        for line in lines
        if line["level"] in ("warning", "error") and (not logger or line["logger"] == logger)
    ]


async def _metrics(port: int) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        try:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TransportError:
            return {}
    return {name: float(value) for name, value in re.findall(r"^(tocsin_\S+) (\S+)$", text, re.MULTILINE)}
