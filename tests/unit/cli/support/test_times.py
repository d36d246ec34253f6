"""Durations and times as options take them."""

import pytest
import typer

from service.cli.support.times import TimeFormat, duration_s, iso, moment_ms
from service.model.validators import MAX_TIME_MS

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("7d", 604_800), ("1.5h", 5400)]
)
def test_durations(text: str, expected: float) -> None:
    """Numbers with units, added up."""
    assert duration_s(text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "-5m", "5x", "1h30"])
def test_an_invalid_duration_is_refused(text: str) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(typer.BadParameter):
        duration_s(text)


@pytest.mark.parametrize("text", ["9" * 400 + "w", "99999999999w", "9" * 5000 + "ms"])
def test_a_duration_without_end_is_centuries(text: str) -> None:
    """Added to a time of this century, it is a time that can be shown."""
    assert duration_s(text) == MAX_TIME_MS / 1000
    assert moment_ms(text, NOW, ago=True) == 0
    assert moment_ms(text, NOW, ago=False) == MAX_TIME_MS


def test_a_moment_is_a_duration_from_now_or_a_time() -> None:
    """A duration before or after now; a time without a zone is UTC; no moment is before the epoch."""
    assert moment_ms("10m", NOW, ago=True) == NOW - 600_000
    assert moment_ms("10m", NOW, ago=False) == NOW + 600_000
    assert moment_ms("2026-09-21T14:13:20Z", NOW, ago=True) == NOW
    assert moment_ms("2026-09-21T14:13:20", NOW, ago=True) == NOW
    assert moment_ms("9999999w", NOW, ago=True) == 0
    assert (
        moment_ms("9999999w", NOW, ago=False)
        == moment_ms("9999-12-31T23:59:59Z", NOW, ago=True)
        == MAX_TIME_MS
    )
    assert moment_ms("2016-12-31t23:59:60z", NOW, ago=True) == 1_483_228_800_000
    with pytest.raises(typer.BadParameter):
        moment_ms("yesterday", NOW, ago=True)


def test_iso_is_utc_to_the_millisecond() -> None:
    """Every command prints times in this one form."""
    assert iso(NOW + 7) == "2026-09-21T14:13:20.007Z"


@pytest.mark.parametrize(
    ("at_ms", "text", "since"),
    [
        (NOW, "now", "since now"),
        (NOW - 12_999, "12 s ago", "for 12 s"),
        (NOW - 180_000, "3 min ago", "for 3 min"),
        (NOW - 5 * 3_600_000, "5 h ago", "for 5 h"),
        (NOW - 29 * 86_400_000, "29 d ago", "for 29 d"),
        (NOW + 4 * 3_600_000, "in 4 h", "since in 4 h"),
        (0, "1970-01-01", "since 1970-01-01"),
    ],
)
def test_ages(at_ms: int, text: str, since: str) -> None:
    """The largest unit, rounded down; the date where it is over a month away."""
    times = TimeFormat(utc=False, now_ms=NOW)

    assert (times(at_ms), times.since(at_ms)) == (text, since)
    assert times.of_text(iso(at_ms)) == text


def test_utc_times_are_in_full() -> None:
    """As RFC 3339."""
    times = TimeFormat(utc=True, now_ms=NOW)

    assert times(0) == times.of_text("1970-01-01T00:00:00.000Z") == "1970-01-01T00:00:00.000Z"
