"""The clocks of this machine."""

import time


class SystemClock:
    """The Clock port on the operating system."""

    # Linux's monotonic clock stands still while the machine is suspended; elsewhere there is no other one
    _BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def boot_s(self) -> float:
        """Return seconds on a clock that is never set, and that counts the time for which the machine was suspended."""
        return time.clock_gettime(self._BOOT_CLOCK)
