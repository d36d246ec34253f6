"""A limit on log lines that an input causes: a line costs more than the small record that it is about."""

import time
from collections.abc import Callable, Hashable

_INTERVAL_S = 1.0


class LogLimit:
    """Lines of each kind in a second, after which further ones are counted only. The kinds are of a closed set."""

    def __init__(self, lines: int = 10, *, now: Callable[[], float] = time.monotonic) -> None:
        self._lines = lines
        self._now = now
        self._kinds: dict[Hashable, tuple[float, int, int]] = {}  # since when, lines written, lines dropped

    def admit(self, kind: Hashable) -> dict[str, int] | None:
        """Return the fields to add to a line: `dropped_repeats`, where there are any. None: do not write it."""
        now = self._now()
        since, written, dropped = self._kinds.get(kind, (now, 0, 0))
        if now - since >= _INTERVAL_S:
            since, written = now, 0
        if written >= self._lines:
            self._kinds[kind] = since, written, dropped + 1
            return None
        self._kinds[kind] = since, written + 1, 0
        return {"dropped_repeats": dropped} if dropped else {}
