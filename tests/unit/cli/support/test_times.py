"""Times as people type them."""

import pytest
import typer

from service.cli.support.times import iso, moment_ms, seconds

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("7d", 604_800), ("1.5h", 5400)]
)
def test_durations(text: str, expected: float) -> None:
    """Numbers with units, added up."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "-5m", "5x", "1h30"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(typer.BadParameter):
        seconds(text)


def test_a_moment_is_a_duration_from_now_or_a_time() -> None:
    """Ago for what was, ahead for what is to come; without a zone it is UTC; never before the epoch."""
    assert moment_ms("10m", NOW, ago=True) == NOW - 600_000
    assert moment_ms("10m", NOW, ago=False) == NOW + 600_000
    assert moment_ms("2026-09-21T14:13:20Z", NOW, ago=True) == NOW
    assert moment_ms("2026-09-21T14:13:20", NOW, ago=True) == NOW
    assert moment_ms("9999999w", NOW, ago=True) == 0
    with pytest.raises(typer.BadParameter):
        moment_ms("yesterday", NOW, ago=True)


def test_iso_is_utc_to_the_millisecond() -> None:
    """One way of writing times, everywhere."""
    assert iso(NOW + 7) == "2026-09-21T14:13:20.007Z"
