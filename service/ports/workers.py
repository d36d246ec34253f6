"""Heartbeats of owner epochs: a claim whose owner has none may be taken over."""

from collections.abc import Sequence
from typing import Protocol


class Workers(Protocol):
    """Heartbeats of the owner epochs under which workers claim deliveries."""

    async def heartbeat(self, owner: str, ttl_s: float) -> None:
        """Send the heartbeat of an owner; it expires after `ttl_s` seconds."""
        ...

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        """Return for each owner whether it has a heartbeat."""
        ...
