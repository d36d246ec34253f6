"""The lease of an owner epoch: how long no other worker can take over its claims."""

from service.ports import Clock

ALIVE_S = 8.0
"""The TTL of a heartbeat in seconds: so long after an owner's last one, its claims may be taken over."""
MARGIN_S = 1.0
"""A lease is over this long before the heartbeat expires: for the way from the check to the relay, and for clocks that
do not run at the same speed."""


class OwnerLease:
    """The time for which the claims of one owner epoch cannot be taken over. Implements the Lease port.

    It is counted from the moment at which the last acknowledged heartbeat was sent, on a clock that a suspended machine
    does not stop. A worker that was paused, or whose event loop was blocked, finds it over. From then on it is over for
    good, also when heartbeats arrive again: another worker may have taken the claims over in between.
    """

    __slots__ = ("_clock", "_until_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: float | None = None

    def holds(self) -> bool:
        """Return whether it holds now."""
        return self._until_s is not None and self._clock.boot_s() < self._until_s

    @property
    def over(self) -> bool:
        """Return whether it has begun and ended."""
        return self._until_s is not None and not self.holds()

    def extend(self, sent_s: float, ttl_s: float, *, unbroken: bool) -> None:
        """Extend it by a heartbeat that was sent at `sent_s` and acknowledged now; do nothing when it is over.

        Over is also one whose heartbeat was acknowledged too late to know whether the one before had expired, and one
        whose heartbeat before had expired at Redis (not `unbroken`): after a fail-over, or where a hypervisor stopped
        the clocks of its guest.
        """
        if self._until_s is not None and not unbroken:
            self._until_s = float("-inf")
        elif not self.over:
            self._until_s = sent_s + ttl_s - MARGIN_S
