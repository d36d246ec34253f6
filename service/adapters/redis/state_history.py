"""The history of the state, beside the state: it is lost, and goes back, together with it."""

from collections.abc import Mapping
from typing import Any

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import why_incomplete
from service.adapters.redis.errors import unavailable
from service.adapters.redis.script_batch import Script
from service.ports.state_history import (
    CatchUp,
    Lineage,
    PrimaryProcess,
    StateCheckpoint,
    StateStatus,
    kept_checkpoints,
)

_TAKE_TURN = Script("turn_take")


class RedisStateHistory:
    """Implements the StateHistory port.

    On a cluster each of the sampled slots has the time of the newest checkpoint: the oldest of them is the newest one
    that no server has lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store.unchecked
        self._marks = store.completeness_marks.sample()
        self._times = store.completeness_marks.sampled(store.keys.checkpoint)
        self._kept: frozenset[int] = frozenset()

    async def status(self) -> StateStatus:
        """Return what Redis says of its state now."""
        keys = self._store.keys
        values, _ = await self._store.fetch([keys.lineage, *self._times, *self._marks])
        times = values[1 : 1 + len(self._times)]
        processes = await self._processes()
        return StateStatus(
            frozenset(processes),
            Lineage.from_text(values[0].decode()) if values[0] else None,
            min((int(time) for time in times if time is not None), default=None) if all(times) else None,
            why_incomplete(values[1 + len(self._times) :]),
            {server: process for server, process in processes.items() if process.run_id},
        )

    async def lineage(self) -> Lineage | None:
        """Return the servers whose data are known to be whole; None where Redis does not say."""
        (value,), _ = await self._store.fetch([self._store.keys.lineage])
        return Lineage.from_text(value.decode()) if value else None

    async def accept(self, lineage: Lineage) -> None:
        """Record the servers whose data are known to be whole, instead of those recorded before."""
        await self._store.pipeline([("SET", self._store.keys.lineage, lineage.to_text())])

    async def write_checkpoint(self, checkpoint: StateCheckpoint) -> None:
        """Store a checkpoint, and drop old ones."""
        key, at_ms = self._store.keys.checkpoints, checkpoint.at_ms
        if not self._kept:
            (fields,) = await self._store.pipeline([("HKEYS", key)])
            self._kept = frozenset(int(field) for field in fields)
        kept = kept_checkpoints({*self._kept, at_ms}, at_ms)
        # The positions before the times, which say that the positions are there.
        await self._store.pipeline([("HSET", key, at_ms, checkpoint.to_bytes())])
        await self._store.pipeline([("SET", time, at_ms) for time in self._times])
        if dropped := self._kept - kept:
            await self._store.pipeline([("HDEL", key, *dropped)])
        self._kept = kept

    async def checkpoint_until(self, at_ms: int) -> StateCheckpoint | None:
        """Return the newest checkpoint that is not after a time (ms); None where there is none."""
        key = self._store.keys.checkpoints
        (fields,) = await self._store.pipeline([("HKEYS", key)])
        self._kept = frozenset()  # another process may have written some since
        newest = max((int(field) for field in fields if int(field) <= at_ms), default=None)
        if newest is None:
            return None
        (value,) = await self._store.pipeline([("HGET", key, newest)])
        return None if value is None else StateCheckpoint.from_bytes(newest, value)

    async def take_turn(self, task: str, owner: str, ttl_s: float) -> bool:
        """Return whether this owner has the turn for a task, from now on for `ttl_s` seconds."""
        (taken,) = await self._store.run_script(
            _TAKE_TURN, self._store.keys.turn(task), owner, int(ttl_s * 1000)
        )
        return bool(taken)

    async def record_catch_up(self, catch_up: CatchUp) -> None:
        """Record the last catch-up."""
        await self._store.pipeline([("SET", self._store.keys.last_catch_up, catch_up.to_bytes())])

    async def last_catch_up(self) -> CatchUp | None:
        """Return the last catch-up; None where there was none."""
        (value,), _ = await self._store.fetch([self._store.keys.last_catch_up])
        return CatchUp.from_bytes(value) if value else None

    async def _processes(self) -> dict[str, PrimaryProcess]:
        """Return the processes of the primaries by replication id; without those that do not tell."""
        processes: dict[str, PrimaryProcess] = {}
        for client in (await self._store.primaries()).values():
            with unavailable():  # it may have died since the others named it
                replication, server = await client.run([("INFO", "replication"), ("INFO", "server")])
            if server_id := _field(replication, "master_replid"):
                before = _field(replication, "master_replid2")
                continues = before if before.strip("0") else ""  # all zeros where there is none
                processes[server_id] = PrimaryProcess(_field(server, "run_id"), continues)
        return processes


def _field(info: Mapping[str, Any] | Exception, name: str) -> str:
    return "" if isinstance(info, Exception) else str(info.get(name, ""))
