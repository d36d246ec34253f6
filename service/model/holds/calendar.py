"""Local time: quiet hours, the times of digests and schedules, in any zone of the time zone database.

The rule for clock changes: a local time that a change skips is the moment of the change. One that comes twice is, as
the start of quiet hours or as the time of a digest, the first of the two, and as the end of quiet hours the last. What
comes on each date does not come for a date that a zone skips (Pacific/Apia, 30 December 2011): the next date has it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_MINUTES_A_WEEK = 7 * 24 * 60
_MIN_FREE_MINUTES = 60
_MOST_WINDOWS = 14
_MOST_SPANS = 2 * 7 * _MOST_WINDOWS
"""Of two weeks: a clock change may skip the only free hour of one."""
_CACHED = 16_384


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


_LOCAL_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"


def check_local_time(text: str) -> str:
    """Return an hour and minute of the day. Raise ValueError for any other text."""
    if not re.fullmatch(_LOCAL_TIME, text, re.ASCII):
        raise ValueError("Must be a time such as 08:00.")
    return text


LocalTime = Annotated[
    str,
    AfterValidator(check_local_time),
    Field(examples=["08:00"], json_schema_extra={"pattern": f"^{_LOCAL_TIME}$"}),
]
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
    until_ms = at_ms
    for _ in range(_MOST_SPANS if windows else 0):
        end_ms = _longest_end_ms(windows, zone, until_ms)
        if end_ms == until_ms:
            break
        until_ms = end_ms
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
    first = _local_day(after_ms, zone) - 1
    for day in range(first, first + 10):
        if _weekday(day) not in days or (_weekday(day + 1) in days and not _exists(day, zone)):
            continue
        if (found := _instant_ms(day, at, zone)) > after_ms:
            return found
    raise ValueError("no such local time within a week")


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return a zone of the time zone database; UTC for a name that it does not have (any more)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _longest_end_ms(windows: Sequence[QuietWindow], zone: str, at_ms: int) -> int:
    """Return the latest end (ms) of the windows that a time is in; the time itself where it is in none."""
    today, latest = _local_day(at_ms, zone), at_ms
    for window in windows:
        for day in range(today - 2, today + 2):  # a clock change may make a window a day longer
            if _weekday(day) in window.days:
                start, end = _span(window.start, window.end, day, zone)
                if start <= at_ms and latest < end:
                    latest = end
    return latest


# All mail needs the same few times: those of the days around now, in the zones and windows that recipients have.
@lru_cache(maxsize=_CACHED)
def _span(start: str, end: str, day: int, zone: str) -> tuple[int, int]:
    """Return start and end (ms) of a window that starts on a day (`date.toordinal`)."""
    last = day + 1 if end <= start else day
    return _instant_ms(day, start, zone), _instant_ms(last, end, zone, last=True)


def _weekday(day: int) -> Weekday:
    return WEEK[(day - 1) % 7]


def _local_day(at_ms: int, zone: str) -> int:
    """Return the local date of a time (ms), by its number (`date.toordinal`)."""
    return datetime.fromtimestamp(at_ms // 1000, zone_of(zone)).toordinal()


def _exists(day: int, zone: str) -> bool:
    """Return whether a local date has any time: its beginning is before that of the next one."""
    return _instant_ms(day, "00:00", zone) < _instant_ms(day + 1, "00:00", zone)


@lru_cache(maxsize=_CACHED)
def _instant_ms(day: int, at: str, zone: str, *, last: bool = False) -> int:
    """Return when a local time is (ms); of two such times the first, or the last."""
    tz = zone_of(zone)
    naive = datetime.combine(date.fromordinal(day), time.fromisoformat(at))
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
