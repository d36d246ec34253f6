"""Durations (`10m`, `2h30m`) and times (RFC 3339) as options take them, and times as they are shown."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from service.model.validators import MAX_TIME_MS, clamp_ms, nearest_time_ms

_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def duration_s(text: str) -> float:
    """Return a duration (`90s`, `10m`, `1h30m`, `7d`) in seconds, at most some 290 years. Raise typer.BadParameter."""
    if not _WHOLE.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a duration such as 90s, 10m, 1h30m or 7d")
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
    return min(seconds, MAX_TIME_MS / 1000)


def moment_ms(text: str, now_ms: int, *, ago: bool) -> int:
    """Return a moment in milliseconds since the epoch: a duration before (`ago`) or after now, or a time (RFC 3339).

    A time without a zone is UTC; a moment before the epoch becomes 0. Raise typer.BadParameter for anything else.
    """
    if _WHOLE.fullmatch(text):
        span_ms = round(duration_s(text) * 1000)
        return clamp_ms(now_ms - span_ms if ago else now_ms + span_ms)
    try:
        return nearest_time_ms(_with_zone(text))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a duration (10m) nor a time (2026-10-01T08:00:00Z)"
        ) from None


def _with_zone(text: str) -> str:
    """Return a time of ISO 8601, in UTC where it has no zone, as RFC 3339. Raise ValueError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text  # RFC 3339 has times that Python does not know, as a leap second
    return moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}Z"


def iso(at_ms: int) -> str:
    """Return a time as RFC 3339 in UTC, to the millisecond; the nearest that can be shown."""
    moment = datetime.fromtimestamp(clamp_ms(at_ms) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_AGES = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_DAYS_SHOWN = 30


def age(at_ms: int, now_ms: int) -> str:
    """Return a time relative to now: `12 s ago`, `3 min ago`, `in 4 h`; the date where it is over 30 days away."""
    span_s = abs(now_ms - at_ms) // 1000
    if span_s >= _DAYS_SHOWN * 86_400:
        return iso(at_ms)[:10]
    for unit_s, unit in _AGES:
        if span_s >= unit_s:
            text = f"{span_s // unit_s} {unit}"
            return f"{text} ago" if at_ms <= now_ms else f"in {text}"
    return "now"


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How times are shown: relative to `now_ms`, or in full, as RFC 3339 in UTC, if `utc`."""

    utc: bool
    now_ms: int

    def __call__(self, at_ms: int) -> str:
        """Return a time in milliseconds since the epoch as text."""
        return iso(at_ms) if self.utc else age(at_ms, self.now_ms)

    def since(self, at_ms: int) -> str:
        """Return `since TIME` in full, or how long it has been so: `for 3 min`."""
        text = self(at_ms)
        return f"for {text.removesuffix(' ago')}" if text.endswith(" ago") else f"since {text}"

    def of_text(self, text: str) -> str:
        """Return a time that is RFC 3339 already, as in a row for `--json`."""
        return text if self.utc or not text else age(nearest_time_ms(text), self.now_ms)
