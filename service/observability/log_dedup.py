"""De-duplication of log lines: a client library that repeats an error during an outage cannot flood the log."""

import logging
import time
from collections.abc import Callable, Mapping

_INTERVAL_S = 60.0
_MAX_KEYS = 256


class LogDedup(logging.Filter):
    """Handler filter that passes each warning or error of the named loggers once a minute, with a count of the rest.

    Two lines are equal when their logger and their event name, or for the standard library their format string, are
    equal. Arguments and fields do not matter, so lines that differ only in a node number or a stage count as one.
    """

    def __init__(self, *loggers: str, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._prefixes = tuple(f"{name}." for name in loggers)
        self._now = now
        self._passed: dict[
            tuple[str, str], tuple[float, int]
        ] = {}  # key -> (time passed, lines dropped since)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write the record; add the number of dropped lines to one that follows dropped lines."""
        if record.levelno < logging.WARNING or not f"{record.name}.".startswith(self._prefixes):
            return True
        key, now = (record.name, _event(record.msg)), self._now()
        passed_at, dropped = self._passed.get(key, (now - _INTERVAL_S, 0))
        if now - passed_at < _INTERVAL_S:
            self._passed[key] = passed_at, dropped + 1
            return False
        if len(self._passed) >= _MAX_KEYS:
            self._passed.clear()
        self._passed[key] = now, 0
        _drop_traceback(record)
        if dropped:
            _add_count(record, dropped)
        return True


def _event(message: object) -> str:
    """Return what identifies a line: structlog passes the fields as a mapping with the name under `event`."""
    return str(message["event"]) if isinstance(message, Mapping) and "event" in message else str(message)


def _drop_traceback(record: logging.LogRecord) -> None:
    """Remove the traceback: the same socket error every minute adds nothing."""
    record.exc_info = record.exc_text = None
    if isinstance(record.msg, Mapping):
        record.msg = {
            name: value for name, value in record.msg.items() if name not in ("exception", "exc_info")
        }


def _add_count(record: logging.LogRecord, dropped: int) -> None:
    if isinstance(record.msg, Mapping):
        record.msg = {**record.msg, "dropped_repeats": dropped}
    else:
        record.msg = f"{record.getMessage()} (and {dropped} more like it)"
        record.args = ()
