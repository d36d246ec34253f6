"""A pipeline with a worker, and the API as a process of its own beside it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from service.dev.ports import free_port
from tests.support.api_fixture import token
from tests.support.paths import ROOT
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

_SECRET = "a-secret-of-these-tests-with-32-characters"


def bearer(subject: str, scope: str) -> str:
    """Return a token that the API of `served_pipeline` accepts."""
    return token(subject, scope, secret=_SECRET)


@asynccontextmanager
async def served_pipeline(
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[RealPipeline, str]]:
    """Yield a pipeline whose worker is ready, and the base URL of its API. `variables`: settings of both."""
    port, probe_port = free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    async with RealPipeline(partitions=1, variables=variables) as pipeline:
        api = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service.cli", "api"),
            cwd=ROOT,
            env=pipeline.environment(TOCSIN_HTTP__PORT=str(port), TOCSIN_AUTH__SECRET=_SECRET),
        )
        pipeline.start_worker("resolve,inbox,email", TOCSIN_WORKER__METRICS_PORT=str(probe_port))
        try:
            async with httpx.AsyncClient() as client:
                await eventually(lambda: _ready(client, f"{base}/readyz"), 60)
            await wait_until_ready(f"http://127.0.0.1:{probe_port}/readyz")
            yield pipeline, base
        finally:
            api.terminate()
            await api.wait()


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False
