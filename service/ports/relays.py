"""Reports of the workers on their relays, for other processes."""

from collections.abc import Sequence
from typing import Protocol

from service.model.relay import RelayReport


class RelayReports(Protocol):
    """The state of every relay as each worker sees it; a worker that reports no more is left out."""

    async def put(self, worker: str, reports: Sequence[RelayReport], at_ms: int) -> None:
        """Replace the reports of a worker. Raise Unavailable."""
        ...

    async def current(self, now_ms: int) -> Sequence[RelayReport]:
        """Return the reports of the workers that run. Raise Unavailable."""
        ...
