"""Workers as other processes see them: the heartbeats of their owner epochs, and what they report of themselves."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from service.model.worker import WorkerReport


class Workers(Protocol):
    """Heartbeats of the owner epochs under which workers claim deliveries; without one a claim may be taken over."""

    async def heartbeat(self, owners: Sequence[str], ttl_s: float) -> Sequence[bool]:
        """Send the heartbeats of owners; they expire after `ttl_s` seconds. Return whether each had one still."""
        ...

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        """Return for each owner whether it has a heartbeat."""
        ...


class WorkerReports(Protocol):
    """What every worker reports of itself, every two seconds. Every method raises Unavailable."""

    async def put(self, report: WorkerReport) -> None:
        """Replace the report of a worker."""
        ...

    async def remove(self, worker: str) -> None:
        """Remove the report of a worker that stops."""
        ...

    async def current(self, now_ms: int) -> Sequence[WorkerReport]:
        """Return the reports by worker, without those of workers that have reported nothing for fifteen seconds."""
        ...

    async def last_runs(self) -> Mapping[str, int]:
        """Return for each stage when a worker last reported that it runs it (ms); also where none does now."""
        ...
