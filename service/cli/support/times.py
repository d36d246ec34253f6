"""Durations (`10m`, `2h30m`) and times (RFC 3339) as options take them."""

import re
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
