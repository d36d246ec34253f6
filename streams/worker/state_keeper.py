"""The keeper of the state in Redis: it writes checkpoints, notices when state went back, and catches up from Kafka.

Each worker has one; they take turns. The order of a catch-up:

1. Mark Redis incomplete: whatever answers now, nothing is sent from it.
2. Read again from Kafka what may be missing.
3. Accept the servers, so that connections are made and heartbeats are sent again; wait for those.
4. Read again what was published meanwhile.
5. Write a checkpoint, mark Redis complete. The stages continue.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

import structlog
from structlog.contextvars import bind_contextvars

from service.bootstrap.parts import Parts, bootstrap
from service.bootstrap.reload import CurrentParts
from service.observability.metrics import CATCH_UPS
from service.pipeline.email.lease import ALIVE_S
from service.ports import ABSENT, CATCHING_UP, FILLING, Clock, Completeness, StateHistory, Unavailable
from service.ports.state_history import CatchUp, Lineage, Positions, StateCheckpoint, StateStatus
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.connection import KafkaConnection
from streams.lifecycle import Service
from streams.reader.catch_up import read_again as read_since
from streams.reader.positions import KafkaPositions, nothing_dispatched

log = structlog.get_logger(__name__)

_MARKS = (CATCHING_UP, FILLING)
MARGIN_MS = 30_000
"""How much earlier than Redis' newest checkpoint a catch-up begins: the API publishes a row up to 20 s before it is
stored, and clocks differ."""

_TURN_S = 15.0
_LOOK_S = 5.0
_WRITER_S = 5.0
_IDLE_MS = 10_000
_KNOWN_S = 10.0
"""For how long a server process is known without being looked at: in less than that, no primary becomes a replica, and
a primary again that has forgotten it."""


@dataclass(frozen=True, slots=True)
class KeeperInputs:
    """What the keeper needs of Kafka. All raise Unavailable.

    `positions` returns those of a checkpoint now. `read_again` applies all records since some positions, and returns
    how many there were and the positions when it began. `nothing_dispatched`: no dispatch topic was ever written to.
    """

    positions: Callable[[], Awaitable[Positions]]
    read_again: Callable[[Positions], Awaitable[tuple[int, Positions]]]
    nothing_dispatched: Callable[[], Awaitable[bool]]


class StateKeeper:
    """Keeper of the state, called once a second. Raises Unavailable.

    `completeness` must mark servers that are not accepted, too. `heartbeats_s`: time in which every worker has sent the
    heartbeats of its claims.
    """

    def __init__(
        self,
        history: StateHistory,
        completeness: Completeness,
        kafka: KeeperInputs,
        *,
        owner: str,
        clock: Clock,
        heartbeats_s: float = ALIVE_S / 2,
    ) -> None:
        self._history = history
        self._completeness = completeness
        self._kafka = kafka
        self._next_look_s = 0.0
        self._owner = owner
        self._clock = clock
        self._heartbeats_s = heartbeats_s
        self._generation = 0
        self._newest_ms = 0
        self._newest_since_s = clock.boot_s()
        """When the newest checkpoint was first seen."""
        self._written: Positions = {}
        self._runs: set[str] = set()
        """The processes of the servers that were accepted at `_noted_s` (monotonic)."""
        self._noted_s = 0.0

    async def tick(self) -> None:
        """Write a checkpoint, or catch up where state went back."""
        status = await self._history.status()
        # Also where a worker died while it marked one slot of a cluster after the other: the rest have no mark yet.
        if status.incomplete in (ABSENT, FILLING) and status.lineage is None:
            await self._fill_new_installation(status)
            return
        if status.incomplete not in (None, *_MARKS):
            return  # a rebuild decides
        cause = self._cause(status)
        if cause is not None:
            await self._catch_up(status, cause)
            return
        if status.lineage is None or status.unknown_servers:
            await self._accept(status, status.servers)
        else:
            self._note(status)
        if await self._take_checkpoints():
            await self._write_new_checkpoint()

    async def _fill_new_installation(self, status: StateStatus) -> None:
        """Fill the tables of an installation that has never dispatched a delivery from the rows in Kafka, if any.

        Nothing can have been sent, so there is nothing that a Redis without marks could have forgotten.
        """
        now_s = self._clock.boot_s()
        if now_s < self._next_look_s or not await self._take_catch_up():
            return
        self._next_look_s = now_s + _LOOK_S
        if not await self._kafka.nothing_dispatched():
            return
        # Until the end nothing is dispatched, so this stays true.
        await self._completeness.mark_incomplete(FILLING)
        async with self._kept_turn():
            records, began = await self._kafka.read_again({})
            await self._accept(status, status.servers)
            await self._write_checkpoint(began)
            await self._completeness.mark_complete()
        log.info("new_installation_filled", records=records)

    def _cause(self, status: StateStatus) -> str | None:
        """Return why Redis must be caught up; None when it holds all that it had."""
        if status.incomplete is not None:
            return "interrupted"
        if status.lineage is None:
            return None
        if status.lineage.generation < self._generation:
            return "went_back"
        if not self._knows(status, status.unknown_servers):
            return "another_server"
        later = status.lineage.generation > self._generation
        if not later and (status.checkpoint_ms or 0) < self._newest_ms:
            return "went_back"
        return None

    def _knows(self, status: StateStatus, servers: frozenset[str]) -> bool:
        """Return whether these servers are processes that were accepted a moment ago, and hold all that they held then.

        A primary begins a new history by itself when its first replica comes, and some time (`repl-backlog-ttl`) after
        its last one has left. One that was a replica meanwhile would continue its primary's.
        """
        lately = self._clock.boot_s() - self._noted_s < _KNOWN_S
        processes = [status.processes.get(server) for server in servers]
        return all(lately and one and one.run_id in self._runs and not one.continues for one in processes)

    def _note(self, status: StateStatus) -> None:
        if status.lineage is not None:
            self._generation = status.lineage.generation
        if self._newest_ms != (status.checkpoint_ms or 0):
            self._newest_ms, self._newest_since_s = status.checkpoint_ms or 0, self._clock.boot_s()
        self._runs = {process.run_id for process in status.processes.values()}
        self._noted_s = self._clock.boot_s()

    async def _accept(self, status: StateStatus, servers: frozenset[str]) -> None:
        lineage = Lineage.after(status.lineage, self._generation, servers, self._clock.now_ms())
        self._generation = lineage.generation
        await self._history.accept(lineage)

    async def _write_new_checkpoint(self) -> None:
        """Write a checkpoint, unless there is nothing new. Positions are read first: later effects come later."""
        positions = await self._kafka.positions()
        new = positions != self._written or self._next_ms() >= self._newest_ms + _IDLE_MS
        # Asked again: a worker that was paused meanwhile would write an older time over that of its successor.
        if new and await self._take_checkpoints():
            await self._write_checkpoint(positions)

    async def _write_checkpoint(self, positions: Positions) -> None:
        at_ms = self._next_ms()
        await self._history.write_checkpoint(StateCheckpoint(at_ms, positions))
        self._newest_ms, self._newest_since_s, self._written = at_ms, self._clock.boot_s(), positions

    def _next_ms(self) -> int:
        """Return the time of a checkpoint that is written now: after all others, also where a clock was ahead.

        Their times continue at the pace of time. Else all of those up to that clock's time would be as good as
        simultaneous: none would be old enough to be dropped, or to begin a catch-up at.
        """
        passed_ms = int((self._clock.boot_s() - self._newest_since_s) * 1000)
        return max(self._newest_ms + max(1, passed_ms), self._clock.now_ms())

    async def _catch_up(self, status: StateStatus, cause: str) -> None:
        # First the mark, by every worker that notices: no stage may act on what this server holds.
        if status.incomplete is None:
            await self._completeness.mark_incomplete(CATCHING_UP)
        if not await self._take_catch_up():
            return
        since = await self._since(status)
        async with self._kept_turn():
            await self._run(status, cause, since)

    async def _since(self, status: StateStatus) -> StateCheckpoint:
        """Return the checkpoint to begin at; one before everything where there is none that all servers have passed."""
        earlier = None
        if status.checkpoint_ms is not None:
            earlier = await self._history.checkpoint_until(status.checkpoint_ms - MARGIN_MS)
        # Without one, the first checkpoint of all was written just now, or not yet: all of Kafka is read.
        return earlier or StateCheckpoint(0, {})

    async def _run(self, status: StateStatus, cause: str, since: StateCheckpoint) -> None:
        catch_up = CatchUp(cause, since.at_ms, self._clock.now_ms())
        log.warning("catch_up_began", cause=cause, since_ms=since.at_ms)
        CATCH_UPS.add((cause, "began"))
        await self._history.record_catch_up(catch_up)
        first, began = await self._kafka.read_again(since.positions)
        await self._accept(status, status.servers)
        # Claims whose heartbeats were refused must not be taken for those of dead workers.
        await asyncio.sleep(self._heartbeats_s)
        second, began = await self._kafka.read_again(began)
        now = await self._history.status()
        if now.servers != status.servers:
            log.warning("catch_up_repeated", cause="another_server")
            return  # the mark stays: the next tick catches up with what answers now
        if now.incomplete not in _MARKS:
            log.warning("catch_up_left", reason=now.incomplete)
            return  # Redis was emptied, or an operator has begun a rebuild
        await self._write_checkpoint(began)
        await self._completeness.mark_complete()
        catch_up = catch_up._replace(ended_ms=self._clock.now_ms(), records=first + second)
        await self._history.record_catch_up(catch_up)
        CATCH_UPS.add((cause, "ended"))
        log.warning(
            "catch_up_ended", cause=cause, records=catch_up.records, ms=catch_up.ended_ms - catch_up.began_ms
        )

    async def _take_checkpoints(self) -> bool:
        return await self._history.take_turn("checkpoints", self._owner, _WRITER_S)

    async def _take_catch_up(self) -> bool:
        return await self._history.take_turn("catch-up", self._owner, _TURN_S)

    @asynccontextmanager
    async def _kept_turn(self) -> AsyncIterator[None]:
        """Keep the turn that was taken for as long as the block runs."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(_TURN_S / 3)
                with suppress(Unavailable):
                    await self._take_catch_up()

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


class StateKeeperService(Service):
    """The keeper, once a second for as long as the worker runs."""

    _EVERY_S: ClassVar[float] = 1.0
    name = "state_keeper"

    def __init__(self, keeper: StateKeeper, close: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.reason: str | None = None
        """What it waits for, while it cannot look at the state or catch up."""
        self._keeper = keeper
        self._close = close

    async def on_start(self) -> None:
        """Begin to keep the state."""
        self.add_task(self._keep())

    async def _keep(self) -> None:
        bind_contextvars(stage=self.name)
        while not self.should_stop:
            try:
                await self._keeper.tick()
                self.reason = None
            except Unavailable as unavailable:
                if self.reason is None:
                    log.warning("state_keeper_waits", reason=unavailable.reason)
                self.reason = unavailable.reason
            except (Exception, asyncio.CancelledError) as error:
                raise_if_cancelled()
                log.exception("state_keeper_failed")
                self.reason = f"it failed: {type(error).__name__}"
            await self.sleep(self._EVERY_S)

    async def on_stop(self) -> None:
        """Close the keeper's connections."""
        await self._close()


def state_keeper(current: CurrentParts, connection: KafkaConnection) -> StateKeeperService:
    """Return the keeper of a worker. The ports for a catch-up are made when it needs them."""
    parts = current.parts
    positions = KafkaPositions(connection, parts.topics)
    clock = asyncio.get_running_loop().time
    unguarded: Parts | None = None

    async def read_again(since: Positions) -> tuple[int, Positions]:
        nonlocal unguarded
        contents = current.parts.contents
        if unguarded is None:
            unguarded = bootstrap(parts.settings, rebuilding=True, contents=contents)
        return await read_since(unguarded.with_contents(contents), connection, since)

    async def close() -> None:
        await positions.close()
        if unguarded is not None:
            await unguarded.close()

    keeper = StateKeeper(
        parts.history,
        parts.unchecked_completeness(),
        KeeperInputs(
            lambda: positions.read(clock()), read_again, lambda: nothing_dispatched(connection, parts.topics)
        ),
        owner=parts.worker,
        clock=parts.clock,
    )
    return StateKeeperService(keeper, close)
