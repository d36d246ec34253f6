"""The wall clock, as a port that tests replace."""

from typing import Protocol


class Clock(Protocol):
    """The wall clock."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        ...
