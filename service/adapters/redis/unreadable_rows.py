"""Rows that cannot be read: one of them must not hide the others, or stop a stage."""

import time
from collections.abc import Callable
from typing import TypeVar

from service.observability.lazy_logger import LazyLogger

log = LazyLogger(__name__)
T = TypeVar("T")
_LOG_INTERVAL_S = 60.0
_ERRORS = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
_logged_at: dict[str, float] = {}


def readable(table: str, parse: Callable[[bytes], T], row: bytes) -> T | None:
    """Return the parsed row; None for one that cannot be read, which is counted and logged, once a minute a table."""
    try:
        return parse(row)
    except _ERRORS as error:
        _report(table, type(error).__name__, len(row))
        return None


def _report(table: str, error: str, size_bytes: int) -> None:
    # imported here: a command that only reads starts faster without metrics
    from service.observability.metrics import UNREADABLE_ROWS  # noqa: PLC0415

    UNREADABLE_ROWS.add((table,))
    now = time.monotonic()
    if now - _logged_at.get(table, -_LOG_INTERVAL_S) >= _LOG_INTERVAL_S:
        _logged_at[table] = now
        # no text of the error: it may quote the row
        log.error("row_unreadable", table=table, error=error, bytes=size_bytes)
