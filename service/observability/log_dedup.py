"""Keeps a library that repeats itself while its server is away from drowning the log."""

import logging
import time
from collections.abc import Callable

_EVERY_S = 60.0
_KEPT = 256


class LogDedup(logging.Filter):
    """A filter for handlers: of these loggers, each warning or error comes once a minute, with how many were left out.

    What is the same is told by the text before its arguments are put in, so node numbers and stages do not count.
    """

    def __init__(self, *loggers: str, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._prefixes = tuple(f"{name}." for name in loggers)
        self._now = now
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; a line that stands for others says so."""
        if record.levelno < logging.WARNING or not f"{record.name}.".startswith(self._prefixes):
            return True
        key, now = (record.name, str(record.msg)), self._now()
        since, left_out = self._seen.get(key, (now - _EVERY_S, 0))
        if now - since < _EVERY_S:
            self._seen[key] = since, left_out + 1
            return False
        if len(self._seen) >= _KEPT:
            self._seen.clear()
        self._seen[key] = now, 0
        record.exc_info = record.exc_text = None  # the same trace of a socket every minute helps nobody
        if left_out:
            record.msg = f"{record.getMessage()} (and {left_out} more like it)"
            record.args = ()
        return True
