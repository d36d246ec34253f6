"""Heartbeats of owner epochs: a claim whose owner has none may be taken over."""

from collections.abc import Sequence
from typing import Protocol


class Workers(Protocol):
    """Heartbeats of the owner epochs under which workers claim deliveries."""

    async def heartbeat(self, owners: Sequence[str], ttl_s: float) -> Sequence[bool]:
        """Send the heartbeats of owners; they expire after `ttl_s` seconds. Return whether each had one still."""
        ...

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        """Return for each owner whether it has a heartbeat."""
        ...
