"""Local times agree with the wall clock around the clock changes of the whole time zone database.

The expected times are read from the database's own files (RFC 9636), not through `zoneinfo`: a span of quiet hours
begins at the first moment at which the clock shows its start or later, and ends when the clock shows its end for the
last time, or jumps over it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import TZPATH, ZoneInfo, available_timezones, reset_tzpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.holds import calendar
from service.model.holds.calendar import (
    WEEK,
    Frequency,
    QuietWindow,
    Weekday,
    check_quiet_hours,
    next_digest_ms,
    next_local_ms,
    quiet_until_ms,
)

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1)
_NAMED = (
    "Europe/Dublin",  # its standard time is the summer's
    "Africa/Casablanca",  # its clock goes back for Ramadan
    "Australia/Lord_Howe",  # changes by half an hour
    "Pacific/Apia",  # skipped a day
    "Pacific/Kwajalein",
    "America/Juneau",  # had a day twice
    "America/St_Johns",  # changed at one minute past midnight
    "America/Havana",  # changes at midnight
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Antarctica/Troll",  # changes by two hours
    "Europe/Amsterdam",
    "UTC",
)


@pytest.fixture(scope="module", autouse=True)
def packaged_database() -> Iterator[None]:
    """Use the package's time zone database, as on a machine without one; the machine's may be older."""
    for path in ([], TZPATH):
        reset_tzpath(path)
        ZoneInfo.clear_cache()
        calendar.zone_of.cache_clear()
        calendar._span.cache_clear()
        calendar._instant_ms.cache_clear()
        if path == []:
            yield


class Change(NamedTuple):
    """A clock change: when (s), and the offsets from UTC before and after it (s)."""

    at_s: int
    before_s: int
    after_s: int


class WallClock:
    """The wall clock of a zone: what it shows, in seconds since 1970 of its own time, at a time in seconds."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        starts, offsets = _read_changes(files("tzdata.zoneinfo").joinpath(*zone.split("/")).read_bytes())
        self._starts, self._offsets = starts, offsets
        self.changes = [
            Change(at, before, after)
            for at, before, after in zip(starts[1:], offsets, offsets[1:], strict=False)
            if before != after
        ]

    def shows(self, at_s: int) -> int:
        return at_s + self._offsets[max(bisect_right(self._starts, at_s) - 1, 0)]

    def first_from(self, shown: int) -> int:
        """Return the first moment at which it shows this or later."""
        return min(moment for moment, _ in self._moments(shown))

    def last_until(self, shown: int) -> int:
        """Return the last moment at which it reaches this, from less or by going back."""
        return max(moment for _, moment in self._moments(shown))

    def _moments(self, shown: int) -> Iterator[tuple[int, int]]:
        """Yield for each offset around when it first shows this or later, and when it last reaches this."""
        first = max(bisect_right(self._starts, shown - 2 * _DAY_S) - 1, 0)
        for n in range(first, len(self._starts)):
            start = self._starts[n] if n > first else -(10**12)
            end = self._starts[n + 1] if n + 1 < len(self._starts) else 10**12
            if start > shown + 2 * _DAY_S:
                break
            reached = shown - self._offsets[n]
            yield (
                max(start, reached) if reached < end else 10**12,
                min(end, reached) if reached >= start else -(10**12),
            )


def _read_changes(content: bytes) -> tuple[list[int], list[int]]:
    """Return starts (s) and offsets (s) of the periods in a file of the database (RFC 9636, section 3)."""

    def counts(at: int) -> list[int]:
        return [int.from_bytes(content[at + 20 + 4 * n : at + 24 + 4 * n], "big") for n in range(6)]

    utc, standard, leaps, times, types, names = counts(0)
    second = 44 + 5 * times + 6 * types + names + 8 * leaps + standard + utc
    _, _, _, times, types, _ = counts(second)
    at = second + 44
    starts = [int.from_bytes(content[at + 8 * n : at + 8 * n + 8], "big", signed=True) for n in range(times)]
    used = content[at + 8 * times : at + 9 * times]
    rows = at + 9 * times
    offsets = [
        int.from_bytes(content[rows + 6 * n : rows + 6 * n + 4], "big", signed=True) for n in range(types)
    ]
    return [-(10**12), *starts], [offsets[0], *(offsets[kind] for kind in used)]


@cache
def wall_clock(zone: str) -> WallClock:
    return WallClock(zone)


@cache
def zones() -> Sequence[str]:
    """Return the names of the zones that differ in their changes."""
    different = {
        tuple(wall_clock(zone).changes): zone
        for zone in sorted(available_timezones() - {"localtime"})
        if not zone.startswith(("posix/", "right/"))
    }
    return sorted({*different.values(), *_NAMED})


def kinds_of_change(zone: str) -> Sequence[Change]:
    """Return the newest change of each pair of offsets and each hour of the day."""
    return list(
        {(c.before_s, c.after_s, c.at_s % _DAY_S // 3600): c for c in wall_clock(zone).changes}.values()
    )


def shown_at(day: int, at: str) -> int:
    """Return what the clock shows at a local time, as `WallClock.shows` does."""
    hours, minutes = map(int, at.split(":"))
    return (date.fromordinal(day) - _EPOCH.date()).days * _DAY_S + hours * 3600 + minutes * 60


def expected_spans(
    windows: Sequence[QuietWindow], clock: WallClock, at_s: int, days: int
) -> list[tuple[int, int]]:
    """Return the spans (s) of the windows that start within days of a time."""
    today = (_EPOCH + timedelta(seconds=clock.shows(at_s))).toordinal()
    return [
        (
            clock.first_from(shown_at(day, window.start)),
            clock.last_until(shown_at(day + (window.end <= window.start), window.end)),
        )
        for day in range(today - 3, today + days)
        for window in windows
        if WEEK[date.fromordinal(day).weekday()] in window.days
    ]


def expected_until_s(windows: Sequence[QuietWindow], clock: WallClock, at_s: int, days: int = 4) -> int:
    """Return when the quiet hours end that a time (s) is in; 0 where it is in none."""
    until = at_s
    for start, end in sorted(expected_spans(windows, clock, at_s, days)):
        if start <= until < end:
            until = end
    return until if until > at_s else 0


def is_quiet_by_the_clock(windows: Sequence[QuietWindow], zone: ZoneInfo, at_s: int) -> bool:
    """Return whether the wall clock shows a time of the windows."""
    local = datetime.fromtimestamp(at_s, zone)
    today, yesterday = WEEK[local.weekday()], WEEK[local.weekday() - 1]
    shown = local.strftime("%H:%M")
    for window in windows:
        overnight = window.end <= window.start
        if today in window.days and window.start <= shown and (overnight or shown < window.end):
            return True
        if overnight and yesterday in window.days and shown < window.end:
            return True
    return False


def check_quiet(windows: Sequence[QuietWindow], zone: str, at_s: int, days: int = 4) -> None:
    until = quiet_until_ms(windows, zone, at_s * 1000)
    assert until == expected_until_s(windows, wall_clock(zone), at_s, days) * 1000, (windows, zone, at_s)
    assert until or not is_quiet_by_the_clock(windows, ZoneInfo(zone), at_s), (windows, zone, at_s)
    if until:
        assert until > at_s * 1000
        assert quiet_until_ms(windows, zone, until) == 0
        assert quiet_until_ms(windows, zone, until - 1) == until


_NIGHT = (QuietWindow(start="22:00", end="07:00"),)
_SHORT = (QuietWindow(start="02:15", end="02:45"), QuietWindow(start="00:00", end="00:30"))
_ADJACENT = (
    QuietWindow(start="23:30", end="01:30"),
    QuietWindow(start="01:30", end="02:30"),
    QuietWindow(start="02:20", end="03:00", days=(Weekday.sun, Weekday.sat)),
    QuietWindow(start="12:00", end="12:00", days=(Weekday.fri,)),
)
# On a Sunday at one past midnight, the clock of St. John's went back to Saturday: what began on Friday was not over.
_LONG = (QuietWindow(start="23:50", end="23:45", days=(Weekday.tue, Weekday.fri)),)
_HOURS = (-26, -8, -1.5, -0.5, 0, 0.5, 1.25, 2.5, 7, 24)


@pytest.mark.exhaustive
@pytest.mark.parametrize("windows", [_NIGHT, _SHORT, _ADJACENT, _LONG])
def test_quiet_hours_agree_with_the_wall_clock_around_each_kind_of_change(
    windows: Sequence[QuietWindow],
) -> None:
    """In every zone, of each pair of offsets and hour the newest change; to the second at the change itself."""
    checked = 0
    for zone in zones():
        for change in kinds_of_change(zone):
            for at_s in (change.at_s - 1, *(change.at_s + int(hours * 3600) for hours in _HOURS)):
                check_quiet(windows, zone, at_s)
            checked += 1
    assert checked > 1900


@pytest.mark.exhaustive
@pytest.mark.parametrize("zone", _NAMED)
def test_quiet_hours_agree_with_the_wall_clock_at_every_change_of_remarkable_zones(zone: str) -> None:
    """Every change that the database has, from local mean time to 2037."""
    for change in wall_clock(zone).changes:
        for at_s in (change.at_s - 1, change.at_s, change.at_s + 1800):
            check_quiet(_NIGHT, zone, at_s)
            check_quiet(_ADJACENT, zone, at_s)


_times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 29, 30, 59]))
_windows = st.lists(
    st.builds(
        QuietWindow,
        start=_times,
        end=_times,
        days=st.lists(st.sampled_from(WEEK), min_size=1, max_size=7, unique=True),
    ),
    max_size=5,
)


@given(_windows, st.data())
@settings(max_examples=300)
def test_any_windows_agree_with_the_wall_clock_near_any_change(
    windows: list[QuietWindow], data: st.DataObject
) -> None:
    """Overnight, adjacent and overlapping ones, of any zone: the end is not quiet, and asking again gives the same."""
    try:
        check_quiet_hours(windows)
    except ValueError:
        return
    zone = data.draw(st.sampled_from(zones()))
    changes = wall_clock(zone).changes
    change_s = data.draw(st.sampled_from(changes)).at_s if changes else 1_800_000_000
    at_s = change_s + data.draw(st.integers(-3 * _DAY_S, 3 * _DAY_S))
    check_quiet(windows, zone, at_s, days=18)


def test_quiet_hours_last_until_the_next_week_where_a_change_skips_the_free_hour() -> None:
    """All but Sunday from 02:00 to 03:00, which Vienna's clock skips on 29 March 2026."""
    windows = [
        QuietWindow(start="03:00", end="02:00"),
        QuietWindow(start="02:00", end="03:00", days=WEEK[:6]),
    ]
    check_quiet_hours(windows)
    start = int(datetime(2026, 3, 22, 3, tzinfo=ZoneInfo("Europe/Vienna")).timestamp())
    until = quiet_until_ms(windows, "Europe/Vienna", start * 1000)
    assert until == int(datetime(2026, 4, 5, 2, tzinfo=ZoneInfo("Europe/Vienna")).timestamp()) * 1000


@pytest.mark.exhaustive
@pytest.mark.parametrize("at", ["08:00", "00:00", "02:30", "23:45"])
def test_each_date_that_exists_has_one_daily_digest(at: str) -> None:
    """Around each kind of change of every zone: at the first moment at which the clock shows its time or later."""
    for zone in zones():
        clock = wall_clock(zone)
        for change in kinds_of_change(zone):
            first_s, last_s = change.at_s - 2 * _DAY_S - 7, change.at_s + 2 * _DAY_S
            digests = [first_s * 1000]
            while digests[-1] < last_s * 1000:
                digests.append(next_digest_ms(Frequency.daily, zone, at, Weekday.mon, digests[-1]))
                assert digests[-1] > digests[-2]
            # each half hour shows each date that exists, since the shortest of one is longer
            dates = sorted(
                {clock.shows(s) // _DAY_S for s in range(first_s - _DAY_S, last_s + 2 * _DAY_S, 1800)}
            )
            expected = [
                clock.first_from(day * _DAY_S + shown_at(_EPOCH.toordinal(), at)) * 1000 for day in dates
            ]
            assert digests[1:] == [ms for ms in expected if digests[0] < ms <= digests[-1]], (zone, change)
            assert digests[-1] in expected


@given(st.data(), st.sampled_from(list(Frequency)), _times, st.sampled_from(WEEK))
@settings(max_examples=300)
def test_a_digest_is_later_and_comes_in_time(
    data: st.DataObject, frequency: Frequency, at: str, day: Weekday
) -> None:
    """Strictly later, but instant ones; and the same for any time before it and after the one before."""
    zone = data.draw(st.sampled_from(zones()))
    changes = wall_clock(zone).changes
    change_s = data.draw(st.sampled_from(changes)).at_s if changes else 1_800_000_000
    after = change_s * 1000 + data.draw(st.integers(-8 * _DAY_S * 1000, 8 * _DAY_S * 1000))
    found = next_digest_ms(frequency, zone, at, day, after)
    if frequency is Frequency.instant:
        assert found == after
        return
    longest_h = {Frequency.hourly: 1, Frequency.daily: 50, Frequency.weekly: 8 * 24}[frequency]
    assert after < found <= after + longest_h * 3_600_000
    assert next_digest_ms(frequency, zone, at, day, found - 1) == found


def test_a_skipped_day_has_no_daily_digest_but_a_weekly_one() -> None:
    """Pacific/Apia had no Friday on 30 December 2011: what comes on Fridays comes when Saturday begins."""

    def utc_ms(day: int, hour: int) -> int:
        return int(datetime(2011, 12, day, hour, tzinfo=UTC).timestamp()) * 1000

    zone, thursday = "Pacific/Apia", utc_ms(29, 20)
    assert next_digest_ms(Frequency.daily, zone, "08:00", Weekday.mon, thursday) == utc_ms(30, 18)
    assert next_digest_ms(Frequency.weekly, zone, "08:00", Weekday.fri, thursday) == utc_ms(30, 10)
    assert next_local_ms(WEEK[:5], "08:00", zone, thursday) == utc_ms(30, 10)
