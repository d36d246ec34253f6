"""Heartbeats of workers: a claim of a worker without one may be taken over."""

from collections.abc import Sequence
from typing import Protocol


class Workers(Protocol):
    """Who is alive: a claim of a worker that is not tells an accident."""

    async def heartbeat(self, owner: str, ttl_s: float) -> None:
        """Say that this worker lives for so long."""
        ...

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        """For each worker whether it lives."""
        ...
