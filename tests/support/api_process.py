"""`tocsin api` as a process of its own, with a client of one recipient."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from service.dev.ports import free_port
from tests.support.api_fixture import token
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

_SECRET = "a-secret-of-this-test-and-of-no-other"


@asynccontextmanager
async def api_process(
    pipeline: RealPipeline, recipient: str = "alice", **variables: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Run the API on the pipeline's servers until the context ends; yield a client that may read one inbox."""
    async with api_server(pipeline, recipient, "inbox", **variables) as (client, _):
        yield client


@asynccontextmanager
async def api_server(
    pipeline: RealPipeline, subject: str, *scopes: str, module: str = "service.cli", **variables: str
) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.subprocess.Process]]:
    """Run the API as `api_process` does; yield a client with these scopes, and the process.

    `module` is run instead of `tocsin`.
    """
    port = free_port()
    own = {
        "TOCSIN_HTTP__PORT": str(port),
        "TOCSIN_HTTP__METRICS_PORT": "0",
        "TOCSIN_AUTH__SECRET": _SECRET,
        "TOCSIN_LOG_LEVEL": "ERROR",
    }
    environment = pipeline.environment(**{**own, **variables})
    command = [sys.executable, "-m", module, "api"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
    headers = {"Authorization": f"Bearer {token(subject, *scopes, secret=_SECRET)}"}
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30
        ) as client:
            await eventually(lambda: _is_ready(client), 60)
            yield client, process
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False
