"""Local time by looking at the clock on the wall, minute by minute: a second implementation, slow and simple."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from service.model.holds.calendar import WEEK, Frequency, QuietWindow, Weekday

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


def is_quiet(windows: Sequence[QuietWindow], zone: str, at_ms: int) -> bool:
    """Return whether the clock on the wall shows quiet hours at a time (ms)."""
    local = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    shown = local.strftime("%H:%M")
    today, yesterday = WEEK[local.weekday()], WEEK[(local - timedelta(days=1)).weekday()]
    for window in windows:
        overnight = window.end <= window.start
        if today in window.days and window.start <= shown and (overnight or shown < window.end):
            return True
        if overnight and yesterday in window.days and shown < window.end:
            return True
    return False


def is_free(windows: Sequence[QuietWindow], zone: str, at_ms: int) -> bool:
    """Return whether a time (ms) is certainly in no quiet hours: not in those that a clock change makes longer either.

    Where the clock is put back, the end of quiet hours comes twice, and counts the second time.
    """
    tz = ZoneInfo(zone)
    offsets = {
        datetime.fromtimestamp((at_ms + hours * HOUR_MS) / 1000, tz).utcoffset() for hours in range(-3, 4)
    }
    return len(offsets) == 1 and not is_quiet(windows, zone, at_ms)


@lru_cache(maxsize=4096)
def digest_due_ms(frequency: Frequency, wait_s: int, at: str, day: Weekday, zone: str, opened_ms: int) -> int:
    """Return when a digest goes that was opened at a time (ms): the first minute after it that the clock shows `at`.

    A time that the clock skips is the moment of the change, and one that it shows twice counts the first time.
    """
    if frequency is Frequency.instant:
        return opened_ms + wait_s * 1000
    if frequency is Frequency.hourly:
        return (opened_ms // HOUR_MS + 1) * HOUR_MS
    tz, days = ZoneInfo(zone), (day,) if frequency is Frequency.weekly else WEEK
    at_ms = opened_ms // MINUTE_MS * MINUTE_MS
    before = datetime.fromtimestamp(at_ms / 1000, tz)
    while True:
        at_ms += MINUTE_MS
        local = datetime.fromtimestamp(at_ms / 1000, tz)
        same_day = local.date() == before.date()
        reached = (before.strftime("%H:%M") < at if same_day else True) and at <= local.strftime("%H:%M")
        if reached and not local.fold and WEEK[local.weekday()] in days:
            return at_ms
        before = local
