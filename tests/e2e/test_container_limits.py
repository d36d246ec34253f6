"""API and worker run within the limits of image and compose file: unprivileged, and writing only to /tmp."""

import asyncio
import json
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.dev.ports import free_port
from tests.support.container_limits import can_unshare, confined_command, read_limits
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

IMAGE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
WORKERS = [service for service in SERVICES.values() if service.get("command", [""])[0] == "worker"]
LIMITS = read_limits(IMAGE, SERVICES["api"])
HEALTH: list[str] = json.loads(re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", IMAGE, re.MULTILINE)[-1])
TOCSIN = str(Path(sys.executable).with_name("tocsin"))

pytestmark = pytest.mark.skipif(
    not can_unshare(),
    reason="no mount namespace can be made here (unshare --mount needs root and CAP_SYS_ADMIN)",
)
PROBE = """
import ctypes, json, os, sys, tempfile
def can_write(folder):
    try:
        with tempfile.TemporaryFile(dir=folder): return True
    except OSError: return False
rows = open("/proc/self/status").read().splitlines()
status = dict(row.split(":\\t", 1) for row in rows if ":\\t" in row)
limits = {name: status[name] for name in ("Uid", "Groups", "CapEff", "CapBnd", "NoNewPrivs")}
PR_GET_MDWE = 66
mdwe = ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0)
print(json.dumps({"wrote": [p for p in sys.argv[1:] if can_write(p)], "mdwe": mdwe, **limits}))
"""


def test_the_process_writes_only_to_tmp_and_has_no_capability() -> None:
    """Only /tmp accepts a file; no capability, no way to get one, no group, no memory to write and execute."""
    folders = [
        "/",
        "/tmp",
        "/etc",
        "/var/tmp",
        "/run",
        "/home",
        str(ROOT),
        str(ROOT / "templates"),
        sys.prefix,
    ]
    ran = subprocess.run(
        confined_command(LIMITS, sys.executable, "-c", PROBE, *folders),
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(ran.stdout)

    assert seen["wrote"] == SERVICES["api"]["tmpfs"] == ["/tmp"]
    assert {*seen["Uid"].split()} == {str(LIMITS["user"])} != {"0"}
    assert (seen["Groups"].strip(), seen["NoNewPrivs"]) == ("", "1")
    assert seen["mdwe"] in (1, -1)  # -1: a kernel before 6.3, which cannot
    assert {int(seen[name], 16) for name in ("CapEff", "CapBnd")} == {0}


def test_every_container_has_these_limits() -> None:
    """The limits that two processes are tested with are those of every container of Tocsin."""
    ours = [service for service in SERVICES.values() if service.get("image") == "tocsin:local"]
    assert len(ours) >= 6
    assert all(read_limits(IMAGE, service) == LIMITS for service in ours)


async def test_api_and_worker_run_within_the_limits() -> None:
    """Both become ready, an event is delivered, the image's health check agrees, and both end in order."""
    metrics, http = free_port(), free_port()
    stages = ",".join(service["command"][2] for service in WORKERS)
    async with RealPipeline(partitions=1) as pipeline:
        env = pipeline.environment(
            TOCSIN_WORKER__METRICS_PORT=str(metrics),
            TOCSIN_HTTP__PORT=str(http),
            TOCSIN_AUTH__SECRET=secrets.token_hex(32),
            TOCSIN_MAIL__SECRETS=json.dumps([secrets.token_hex(16)]),
            TOCSIN_MAIL__BOUNCE_DOMAIN="bounces.tocsin.test",
            TOCSIN_BOUNCES__PORT=str(free_port()),
            HOME="/nonexistent",
            PYTHONDONTWRITEBYTECODE="1",
        )
        started = [
            subprocess.Popen(confined_command(LIMITS, TOCSIN, *command), env=env, cwd="/")
            for command in (["api"], ["worker", "--stages", stages])
        ]
        pipeline.workers += started
        async with httpx.AsyncClient() as client:
            await eventually(lambda: _ready(client, metrics), 60, lambda: "the worker is not ready")
            await eventually(lambda: _ready(client, http), 60, lambda: "the API is not ready")
        data = {"id": "1", "source": "/contained", "type": "overbid", "recipients": ["alice"]}
        await pipeline.publish(data | {"data": {"lot_id": "1"}})
        assert {e.state.value for e in await pipeline.wait_until_finished("/contained", "1")} == {
            "sent",
            "delivered",
        }

        for role in ({"TOCSIN_WORKER__METRICS_PORT": "1"}, {"TOCSIN_HTTP__PORT": "1"}, {}):
            assert await _health(env | role) == 0
        assert await _health(env | {"TOCSIN_WORKER__METRICS_PORT": "1", "TOCSIN_HTTP__PORT": "1"}) == 1
        for process in started:
            process.terminate()
        api, worker = [await asyncio.to_thread(process.wait, 60) for process in started]
        assert (worker, api) in ((0, 0), (0, -signal.SIGTERM))  # uvicorn ends by the signal that it received


async def _ready(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def _health(env: dict[str, str]) -> int:
    checking = await asyncio.create_subprocess_exec(sys.executable, *HEALTH[1:], env=env)
    return await checking.wait()
