"""The history of the state in memory, of a Redis that can fail over to what it was before."""

from copy import deepcopy
from dataclasses import dataclass, field

from service.ports import ABSENT, Unavailable
from service.ports.state_history import (
    CatchUp,
    Lineage,
    PrimaryProcess,
    StateCheckpoint,
    StateStatus,
    kept_checkpoints,
)
from tests.fakes.outage import Outage


@dataclass
class _Kept:
    lineage: Lineage | None = None
    checkpoints: dict[int, StateCheckpoint] = field(default_factory=dict)
    newest_ms: int = 0
    incomplete: str | None = ABSENT
    last: CatchUp | None = None


class FakeStateHistory:
    """Implements the StateHistory and Completeness ports."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.servers = frozenset({"s1"})
        self.processes: dict[str, PrimaryProcess] = {}
        self.kept = _Kept()
        self.turns: dict[str, str] = {}

    def snapshot(self) -> _Kept:
        """Return what a replica has that falls behind from now on."""
        return deepcopy(self.kept)

    def fail_over(self, to: _Kept, server: str) -> None:
        """Continue with what a replica has, under its id."""
        self.kept, self.servers = to, frozenset({server})
        self.turns.clear()

    async def status(self) -> StateStatus:
        self.outage.check()
        newest = self.kept.newest_ms if self.kept.checkpoints else None
        processes = {server: one for server, one in self.processes.items() if server in self.servers}
        return StateStatus(self.servers, self.kept.lineage, newest, self.kept.incomplete, processes)

    async def accept(self, lineage: Lineage) -> None:
        self.outage.check()
        self.kept.lineage = lineage

    async def write_checkpoint(self, checkpoint: StateCheckpoint) -> None:
        self.outage.check()
        self.kept.checkpoints[checkpoint.at_ms] = checkpoint
        self.kept.newest_ms = checkpoint.at_ms
        kept = kept_checkpoints(self.kept.checkpoints, checkpoint.at_ms)
        self.kept.checkpoints = {at: one for at, one in self.kept.checkpoints.items() if at in kept}

    async def checkpoint_until(self, at_ms: int) -> StateCheckpoint | None:
        self.outage.check()
        newest = max((at for at in self.kept.checkpoints if at <= at_ms), default=None)
        return None if newest is None else self.kept.checkpoints[newest]

    async def take_turn(self, task: str, owner: str, ttl_s: float) -> bool:
        self.outage.check()
        return self.turns.setdefault(task, owner) == owner

    async def record_catch_up(self, catch_up: CatchUp) -> None:
        self.outage.check()
        self.kept.last = catch_up

    async def last_catch_up(self) -> CatchUp | None:
        self.outage.check()
        return self.kept.last

    async def incomplete(self) -> str | None:
        self.outage.check()
        return self.kept.incomplete

    async def mark_complete(self) -> None:
        self.outage.check()
        if self.kept.incomplete == ABSENT:
            raise Unavailable(ABSENT)
        self.kept.incomplete = None

    async def mark_incomplete(self, reason: str) -> None:
        self.outage.check()
        self.kept.incomplete = reason
