"""An event loop whose time is the test's clock: nothing waits, every run with the same choices is the same run."""

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
        self.set_exception_handler(lambda *_: None)  # workers die with exceptions nobody fetches

    def time(self) -> float:
        """Seconds, of the test's clock."""
        return self._clock.now / 1000

    def run_for(self, ms: int = 0) -> None:
        """Run all there is to run within so many virtual milliseconds; with 0, all that need not wait."""
        self._until = self._clock.now + ms
        self.run_forever()

    def done(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run one coroutine that needs no time to its end."""
        task = self.create_task(work)
        self.run_for()
        return task.result()

    def select(self, timeout: float | None) -> list[Any]:
        """What the base class calls when it would wait for the network."""
        if timeout is not None and timeout <= 0:
            return []
        wanted = self._until + 1 if timeout is None else self._clock.now + max(1, math.ceil(timeout * 1000))
        if wanted > self._until:
            self._clock.now = self._until
            self.stop()
        else:
            self._clock.now = wanted
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
