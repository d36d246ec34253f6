"""The worker's heartbeat, the drain of its relays, and work that waits for a time rather than for a record."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import structlog
from structlog.contextvars import bind_contextvars

from service.pipeline.email.in_flight import InFlight
from service.ports import RelayTransport, Unavailable, Workers
from streams.kafka.cancellation import raise_if_cancelled
from streams.lifecycle import Service

log = structlog.get_logger(__name__)


class Heartbeat:
    """The heartbeat of this worker under every owner that its claims carry, so that no other worker takes them over.

    It runs in the event loop that sends, and on purpose not in a thread: a worker whose loop is blocked must not look
    alive. What it has claimed is then neither sent by it nor kept from the others.
    """

    _EVERY_S: ClassVar[float] = 2.0

    def __init__(self, workers: Workers, in_flight: InFlight) -> None:
        self._workers = workers
        self._in_flight = in_flight

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        bind_contextvars(stage="email")
        while True:
            try:
                await self._in_flight.heartbeat(self._workers)
            except Unavailable as error:
                log.warning("heartbeat_failed", reason=error.reason)
            except Exception:  # without heartbeats nothing can be sent
                log.exception("heartbeat_failed")
            await asyncio.sleep(self._EVERY_S)


@asynccontextmanager
async def heartbeats(workers: Workers, in_flight: InFlight) -> AsyncIterator[None]:
    """Send heartbeats for the block."""
    task = asyncio.create_task(Heartbeat(workers, in_flight).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class RelayDrain(Service):
    """Begins no further message as soon as the worker stops, and waits for the replies to those at a relay.

    What is not at a relay comes back at once, so that the stages can end. After `drain_s` seconds, messages that still
    have no reply become ambiguous; the stages, which drain a little longer, store that.
    """

    name = "relays"

    def __init__(self, transport: RelayTransport, drain_s: float) -> None:
        super().__init__()
        self._transport = transport
        self._drain_s = drain_s

    async def on_stop(self) -> None:
        """Drain, then close every connection."""
        await self._transport.close(self._drain_s)


class PeriodicTask(Service):
    """Runs a step again and again: at once while it has work, else after a pause."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        readiness: Callable[[], Awaitable[str | None]],
        *,
        idle_s: float = 0.5,
    ) -> None:
        super().__init__()
        self.name = name
        self.reason: str | None = None
        """Why it is paused; None while it runs."""
        self._step = step
        self._readiness = readiness
        self._idle_s = idle_s

    async def on_start(self) -> None:
        """Begin to run the step."""
        self.add_task(self._run())

    async def _run(self) -> None:
        bind_contextvars(stage=self.name)
        while not self.should_stop:
            processed = 0
            try:
                self.reason = await self._readiness()
                if self.reason is None:
                    processed = await self._step()
            except Unavailable as unavailable:
                self.reason = unavailable.reason
            except (Exception, asyncio.CancelledError) as error:
                raise_if_cancelled()
                log.exception("periodic_task_failed")
                self.reason = f"a step failed: {type(error).__name__}"
            if not processed:
                await self.sleep(self._idle_s)
