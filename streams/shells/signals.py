"""Signals that end a worker: the first lets it drain, a second one ends it at once."""

import os
from collections.abc import Callable
from time import monotonic

import structlog

log = structlog.get_logger(__name__)

_ONE_REQUEST_S = 1.0
"""Supervisors may signal the process and its group: what comes so soon after the first is the same request."""


class StopSignals:
    """Handler of SIGTERM and SIGINT. `stop` is called by the first one."""

    def __init__(
        self,
        stop: Callable[[], None],
        end: Callable[[int], None] = os._exit,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._stop = stop
        self._end = end
        self._now = now
        self._first_s: float | None = None

    def received(self) -> None:
        """Stop, or end the process at once; what it has claimed then is left to others, as after a crash."""
        if self._first_s is None:
            self._first_s = self._now()
            log.info("worker_stopping")
            self._stop()
        elif self._now() - self._first_s > _ONE_REQUEST_S:
            log.warning("worker_ended_at_once")
            self._end(1)
