"""Calls things at times that they move: thousands of live streams share one timer."""

import asyncio
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

_AT_ONCE = 100  # then other tasks run


class TimetableEntry(Protocol):
    """Something to call. `due_s` is the next time, by the clock of the event loop; it may be moved to a later one."""

    due_s: float

    def call(self) -> bool:
        """Return whether it is to be called again, at its new `due_s`."""
        ...


class Timetable:
    """Entries in the order of their times."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimetableEntry]] = []
        self._numbers = count()
        self._timer: asyncio.Handle | None = None
        self._timer_s = 0.0

    def add(self, entry: TimetableEntry) -> None:
        """Call an entry when it is due."""
        heappush(self._heap, (entry.due_s, next(self._numbers), entry))
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer to the first entry."""
        due_s = self._heap[0][0]
        if self._timer is not None:
            if self._timer_s <= due_s:
                return
            self._timer.cancel()
        self._timer_s = due_s
        self._timer = asyncio.get_running_loop().call_at(due_s, self._call_due)

    def _call_due(self) -> None:
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        try:
            for _ in range(_AT_ONCE):
                if not self._heap or self._heap[0][0] > now_s:
                    break
                _, number, entry = heappop(self._heap)
                if entry.due_s > now_s or entry.call():
                    heappush(self._heap, (entry.due_s, number, entry))
        finally:  # an entry that fails does not hold up the others
            if self._heap:
                self._set_timer()
