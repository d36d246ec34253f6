"""Asks a worker's probe why it is not ready."""

from collections.abc import Mapping

import httpx

from tests.support.real_pipeline import eventually


async def reasons(probe: str) -> Mapping[str, str]:
    """Why the worker is not ready."""
    async with httpx.AsyncClient() as client:
        try:
            return dict((await client.get(probe)).json()["reasons"])
        except httpx.TransportError:
            return {"worker": "does not answer"}


async def ready(probe: str) -> None:
    """Wait until the worker is ready."""
    told: Mapping[str, str] = {}

    async def is_ready() -> bool:
        nonlocal told
        told = await reasons(probe)
        return not told

    await eventually(is_ready, 60, lambda: str(told))
