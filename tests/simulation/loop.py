"""An event loop whose time is the test's clock: nothing waits, and equal choices give equal runs."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from tests.fakes.clock import FakeClock


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready; when nothing is, time jumps to the next timer, never past `until`."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self._until = 0
        self._selector = self
        self._clock_resolution = 1e-6
        self.set_exception_handler(lambda *_: None)  # exceptions of killed workers are never retrieved

    def time(self) -> float:
        """Return the time of the test's clock in seconds."""
        return self._clock.now / 1000

    def run_for(self, ms: int = 0) -> None:
        """Run everything that is due within so many virtual milliseconds; with 0, everything that is ready."""
        self._until = self._clock.now + ms
        self.run_forever()

    def done(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine that needs no time, and return its result."""
        task = self.create_task(work)
        self.run_for()
        return task.result()

    def select(self, timeout: float | None) -> list[Any]:
        """Advance the clock where the base class would wait for the network; stop at the end of the run."""
        if timeout is not None and timeout <= 0:
            return []
        target = self._until + 1 if timeout is None else self._clock.now + max(1, math.ceil(timeout * 1000))
        if target > self._until:
            self._clock.now = self._until
            self.stop()
        else:
            self._clock.now = target
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
