"""Ask a worker's probe why it is not ready."""

from collections.abc import Mapping

import httpx

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
