"""The time, as a port: tests set it."""

from typing import Protocol


class Clock(Protocol):
    """The time, so that tests own it."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...
