"""The keeper of the state in Redis: it writes checkpoints, notices when state went back, and catches up from Kafka.

Each worker has one; they take turns. The order of a catch-up:

1. Mark Redis incomplete: whatever answers now, nothing is sent from it.
2. Read again from Kafka what may be missing.
3. Accept the servers, so that connections are made and heartbeats are sent again; wait for those.
4. Read again what was published meanwhile.
5. Write a checkpoint, mark Redis complete. The stages continue.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

import faust
import structlog

from service.bootstrap import Parts, bootstrap
from service.observability.metrics import CATCH_UPS
from service.pipeline.email.lease import ALIVE_S
from service.ports import ABSENT, CATCHING_UP, FILLING, Completeness, StateHistory, Unavailable
from service.ports.state_history import CatchUp, Lineage, Positions, StateCheckpoint, StateStatus
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.connection import KafkaConnection
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
        now_ms: Callable[[], int],
        heartbeats_s: float = ALIVE_S / 2,
    ) -> None:
        self._history = history
        self._completeness = completeness
        self._kafka = kafka
        self._next_look_s = 0.0
        self._owner = owner
        self._now_ms = now_ms
        self._heartbeats_s = heartbeats_s
        self._generation = 0
        self._newest_ms = 0
        self._written: Positions = {}

    async def tick(self) -> None:
        """Write a checkpoint, or catch up where state went back."""
        status = await self._history.status()
        if status.incomplete == ABSENT and status.lineage is None:
            await self._fill_new_installation(status)
            return
        if status.incomplete not in (None, *_MARKS):
            return  # a rebuild decides
        cause = self._cause(status)
        if cause is not None:
            await self._catch_up(status, cause)
            return
        if status.lineage is None:
            await self._accept(status, status.servers)
        else:
            self._note(status)
        if await self._history.take_turn("checkpoints", self._owner, _WRITER_S):
            await self._write_new_checkpoint()

    async def _fill_new_installation(self, status: StateStatus) -> None:
        """Fill the tables of an installation that has never dispatched a delivery from the rows in Kafka, if any.

        Nothing can have been sent, so there is nothing that a Redis without marks could have forgotten.
        """
        now_s = time.monotonic()
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
        if not status.servers <= status.lineage.servers:
            return "another_server"
        later = status.lineage.generation > self._generation
        if not later and (status.checkpoint_ms or 0) < self._newest_ms:
            return "went_back"
        return None

    def _note(self, status: StateStatus) -> None:
        if status.lineage is not None:
            self._generation = status.lineage.generation
        self._newest_ms = status.checkpoint_ms or 0

    async def _accept(self, status: StateStatus, servers: frozenset[str]) -> None:
        lineage = Lineage.after(status.lineage, self._generation, servers, self._now_ms())
        self._generation = lineage.generation
        await self._history.accept(lineage)

    async def _write_new_checkpoint(self) -> None:
        """Write a checkpoint, unless there is nothing new. Positions are read first: later effects come later."""
        positions = await self._kafka.positions()
        if positions != self._written or self._now_ms() >= self._newest_ms + _IDLE_MS:
            await self._write_checkpoint(positions)

    async def _write_checkpoint(self, positions: Positions) -> None:
        at_ms = max(self._newest_ms + 1, self._now_ms())
        await self._history.write_checkpoint(StateCheckpoint(at_ms, positions))
        self._newest_ms, self._written = at_ms, positions

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
        catch_up = CatchUp(cause, since.at_ms, self._now_ms())
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
        catch_up = catch_up._replace(ended_ms=self._now_ms(), records=first + second)
        await self._history.record_catch_up(catch_up)
        CATCH_UPS.add((cause, "ended"))
        log.warning(
            "catch_up_ended", cause=cause, records=catch_up.records, ms=catch_up.ended_ms - catch_up.began_ms
        )

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


class StateKeeperService(faust.Service):  # type: ignore[misc]  # faust has no usable types
    """The keeper, once a second for as long as the worker runs."""

    _EVERY_S: ClassVar[float] = 1.0

    def __init__(self, keeper: StateKeeper, close: Callable[[], Awaitable[None]], **service: object) -> None:
        super().__init__(**service)
        self._keeper = keeper
        self._close = close

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _keep(self) -> None:
        unavailable_before = False
        while not self.should_stop:
            try:
                await self._keeper.tick()
                unavailable_before = False
            except Unavailable as unavailable:
                if not unavailable_before:
                    log.warning("state_keeper_waits", reason=unavailable.reason)
                unavailable_before = True
            except (Exception, asyncio.CancelledError):
                raise_if_cancelled()
                log.exception("state_keeper_failed")
            await self.sleep(self._EVERY_S)

    async def on_stop(self) -> None:
        """Close the keeper's connections."""
        await self._close()


def state_keeper(parts: Parts, connection: KafkaConnection) -> StateKeeperService:
    """Return the keeper of a worker. The ports for a catch-up are made when it needs them."""
    positions = KafkaPositions(connection, parts.topics)
    clock = asyncio.get_running_loop().time
    unguarded: Parts | None = None

    async def read_again(since: Positions) -> tuple[int, Positions]:
        nonlocal unguarded
        if unguarded is None:  # in a thread: it loads the catalogue and the templates
            unguarded = await asyncio.to_thread(bootstrap, parts.settings, rebuilding=True)
        return await read_since(unguarded, connection, since)

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
        owner=parts.owner,
        now_ms=parts.clock.now_ms,
    )
    return StateKeeperService(keeper, close)
