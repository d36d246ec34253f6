"""When an event was received and when it happened, by clocks that may be wrong."""

from service.model.event import ClockBound, InvalidEvent
from service.model.reasons import DeadReason

EARLIEST_MS = 946_684_800_000
"""The year 2000. An earlier timestamp of a record is a producer's mistake: none (-1), zero, or seconds."""


def receipt_ms(timestamp_ms: int, stated_ms: int | None, now_ms: int | None) -> int:
    """Return when an event was received (ms): by its record's timestamp, where that can be.

    Otherwise by the event's own time, and else by the clock. `now_ms` None: there is no clock to compare with.
    """
    if timestamp_ms >= EARLIEST_MS:
        return timestamp_ms if now_ms is None else min(timestamp_ms, now_ms)
    if stated_ms is not None and stated_ms >= EARLIEST_MS and (now_ms is None or stated_ms <= now_ms):
        return stated_ms
    return timestamp_ms if now_ms is None else now_ms


def event_times(stated_ms: int | None, received_ms: int, bound: ClockBound) -> tuple[int, int | None]:
    """Return when an event happened (ms), and the time that it states where that is too far ahead. Raise InvalidEvent.

    Nothing is received before it happens, so a time after the receipt comes from a wrong clock, and the receipt counts:
    of two such events, the one that came later is newer, however far ahead the other one's clock was.
    """
    if stated_ms is None or stated_ms <= received_ms:
        return (received_ms if stated_ms is None else stated_ms), None
    ahead_s = (stated_ms - received_ms) / 1000
    if ahead_s <= bound.max_ahead_s:
        return received_ms, None
    if bound.refuse:
        raise InvalidEvent(DeadReason.invalid_attribute, f"time: is {ahead_s:.0f} s ahead of the clock")
    return received_ms, stated_ms
