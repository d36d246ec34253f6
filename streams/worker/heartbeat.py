"""Services that repeat: the sign of life that claims hang on, and work that waits for a time rather than a record."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar

import faust

from service.pipeline.email.in_flight import ALIVE_S
from service.ports import Unavailable, Workers
from streams.kafka.cancellation import raise_if_cancelled

log = logging.getLogger(__name__)


class Heartbeat(faust.Service):  # type: ignore[misc]  # faust has no usable types
    """Says that this worker lives, by all the names that it claims under, so that nobody takes its claims."""

    TTL_S: ClassVar[float] = ALIVE_S
    _EVERY_S: ClassVar[float] = 2.0

    def __init__(self, workers: Workers, names: Callable[[], Iterable[str]], **service: Any) -> None:
        super().__init__(**service)
        self._workers = workers
        self._names = names

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _beat(self) -> None:
        while not self.should_stop:
            try:
                for name in self._names():
                    await self._workers.beat(name, self.TTL_S)
            except Unavailable as error:
                log.warning("pulse: %s", error.reason)
            await self.sleep(self._EVERY_S)


class PeriodicTask(faust.Service):  # type: ignore[misc]
    """Runs a step again and again: at once while it has work, else after a pause."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        gate: Callable[[], Awaitable[str | None]],
        *,
        idle_s: float = 0.5,
        **service: Any,
    ) -> None:
        super().__init__(**service)
        self.name = name
        self.reason: str | None = None
        self._step = step
        self._gate = gate
        self._idle_s = idle_s

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        while not self.should_stop:
            worked = 0
            try:
                self.reason = await self._gate()
                if self.reason is None:
                    worked = await self._step()
            except Unavailable as error:
                self.reason = error.reason
            except (Exception, asyncio.CancelledError):
                raise_if_cancelled()
                log.exception("%s: a step failed and is tried again", self.name)
                self.reason = "a step failed"
            if not worked:
                await self.sleep(self._idle_s)
