"""Ask a worker's probe why it is not ready, and start workers that are."""

from collections.abc import Mapping
from typing import Any

import httpx

from service.dev.ports import free_port
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually


async def not_ready_reasons(probe: str) -> Mapping[str, str]:
    """Return why the worker is not ready, by part; nothing if it is ready."""
    async with httpx.AsyncClient() as client:
        try:
            return dict((await client.get(probe)).json()["reasons"])
        except httpx.TransportError:
            return {"worker": "does not answer"}


async def wait_until_ready(probe: str, timeout_s: float = 60) -> None:
    """Wait until the worker is ready."""
    reasons: Mapping[str, str] = {}

    async def is_ready() -> bool:
        nonlocal reasons
        reasons = await not_ready_reasons(probe)
        return not reasons

    await eventually(is_ready, timeout_s, lambda: str(reasons))


async def start_ready_worker(pipeline: RealPipeline, **worker: Any) -> str:
    """Start a worker, with arguments of `RealPipeline.start_worker`; return the URL of its probe when it is ready."""
    port = free_port()
    pipeline.start_worker(TOCSIN_WORKER__METRICS_PORT=str(port), **worker)
    probe = f"http://127.0.0.1:{port}/readyz"
    await wait_until_ready(probe, 120)
    return probe
