"""Local time: quiet hours, the times of digests and schedules, in any zone of the time zone database.

The rule for clock changes: a local time that a change skips is the moment of the change. One that comes twice is, as
the start of quiet hours or as the time of a digest, the first of the two, and as the end of quiet hours the last.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_DAY = timedelta(days=1)
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_MINUTES_A_WEEK = 7 * 24 * 60
_MIN_FREE_MINUTES = 60
_MOST_WINDOWS = 14


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    mon = "mon"
    tue = "tue"
    wed = "wed"
    thu = "thu"
    fri = "fri"
    sat = "sat"
    sun = "sun"


WEEK = tuple(Weekday)


class Frequency(StrEnum):
    """How often mail of a type is sent: each one at once, or together in a digest."""

    instant = "instant"
    hourly = "hourly"
    daily = "daily"
    weekly = "weekly"


LocalTime = Annotated[str, Field(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$", examples=["08:00"])]
"""An hour and minute of the day, in the recipient's zone."""


class QuietWindow(BaseModel):
    """A span of local time without mail.

    `days`: those on which it starts. One that ends at or before its start ends on the next day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: LocalTime
    end: LocalTime
    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = WEEK


def check_quiet_hours(windows: Sequence[QuietWindow]) -> Sequence[QuietWindow]:
    """Return the windows. Raise ValueError unless they leave an hour of each week free, so that mail comes at all."""
    quiet = set[int]()
    for window in windows:
        start, end = _minutes(window.start), _minutes(window.end)
        length = (end - start) % 1440 or 1440
        for day in window.days:
            first = WEEK.index(day) * 1440 + start
            quiet.update(minute % _MINUTES_A_WEEK for minute in range(first, first + length))
    if len(quiet) > _MINUTES_A_WEEK - _MIN_FREE_MINUTES:
        raise ValueError("Must leave at least an hour of the week free.")
    return windows


QuietHours = Annotated[
    tuple[QuietWindow, ...], Field(max_length=_MOST_WINDOWS), AfterValidator(check_quiet_hours)
]
"""The windows of a week; they may overlap."""


def quiet_until_ms(windows: Sequence[QuietWindow], zone: str, at_ms: int) -> int:
    """Return when the quiet hours end that a time (ms) is in; 0 where it is in none. Adjacent windows count as one."""
    until_ms, tz = at_ms, zone_of(zone)
    for _ in range(8 * _MOST_WINDOWS):
        ends = [
            end
            for window in windows
            for start, end in _spans(window, tz, until_ms)
            if start <= until_ms < end
        ]
        if not ends:
            break
        until_ms = max(ends)
    return until_ms if until_ms > at_ms else 0


def next_digest_ms(frequency: Frequency, zone: str, at: str, day: Weekday, after_ms: int) -> int:
    """Return the first time of a digest after a time (ms); `after_ms` itself for `instant`.

    Hourly digests are sent on the hour of UTC, daily ones at the local time `at`, weekly ones at that time on `day`.
    """
    match frequency:
        case Frequency.instant:
            return after_ms
        case Frequency.hourly:
            return after_ms - after_ms % _HOUR_MS + _HOUR_MS
        case Frequency.daily:
            return next_local_ms(WEEK, at, zone, after_ms)
        case Frequency.weekly:
            return next_local_ms((day,), at, zone, after_ms)


def next_local_ms(days: Sequence[Weekday], at: str, zone: str, after_ms: int) -> int:
    """Return the first time (ms) after another at which it is `at` in a zone, on one of these days."""
    tz = zone_of(zone)
    first = _local(tz, after_ms).date() - _DAY
    wanted = {WEEK.index(day) for day in days}
    for n in range(10):
        local = first + n * _DAY
        if local.weekday() in wanted and (found := _instant_ms(local, at, tz)) > after_ms:
            return found
    raise ValueError("no such local time within a week")


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return a zone of the time zone database; UTC for a name that it does not have (any more)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _spans(window: QuietWindow, tz: ZoneInfo, at_ms: int) -> Iterator[tuple[int, int]]:
    """Yield start and end (ms) of a window on the days around a time."""
    today = _local(tz, at_ms).date()
    days = {WEEK.index(day) for day in window.days}
    for local in (today - 2 * _DAY, today - _DAY, today, today + _DAY):
        if local.weekday() in days:
            ends = local + _DAY if window.end <= window.start else local
            yield _instant_ms(local, window.start, tz), _instant_ms(ends, window.end, tz, last=True)


def _local(tz: ZoneInfo, at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, tz)


def _instant_ms(local: date, at: str, tz: ZoneInfo, *, last: bool = False) -> int:
    """Return when a local time is (ms); of two such times the first, or the last."""
    naive = datetime.combine(local, time.fromisoformat(at))
    instant = naive.replace(tzinfo=tz, fold=int(last)).astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) != naive:
        instant = _change(
            naive.replace(tzinfo=tz, fold=1).astimezone(UTC),
            naive.replace(tzinfo=tz, fold=0).astimezone(UTC),
            tz,
        )
    return int(instant.timestamp()) * 1000


def _change(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """Return the moment of the clock change between two times, to the second."""
    offset = before.astimezone(tz).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, tz).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _minutes(at: str) -> int:
    hours, minutes = at.split(":")
    return int(hours) * 60 + int(minutes)
