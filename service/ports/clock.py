"""The clocks, as a port that tests replace."""

from typing import Protocol


class Clock(Protocol):
    """The wall clock, and one that never jumps."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        ...

    def boot_s(self) -> float:
        """Return seconds on a clock that is never set, and that counts the time for which the machine was suspended."""
        ...
