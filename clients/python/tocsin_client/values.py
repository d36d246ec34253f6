"""What values may be, as the service has it: JSON, text of attributes, times."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin_client.errors import InvalidEvent, Reason

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
MAX_DEPTH = 64
MAX_CONTAINERS = 65_536
_MAX_TIME_MS = 9_214_646_399_999
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_TIME = re.compile(
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(?:\.[0-9]{1,64})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_EPOCH = datetime.fromtimestamp(0, UTC)


def check_json(document: Any) -> None:
    """Raise InvalidEvent for what JSON cannot carry with one meaning (RFC 8259), and for too many or too deep parts."""
    level, depth, containers = [document], 0, 0
    while level := [node for node in level if isinstance(node, dict | list)]:
        depth += 1
        containers += len(level)
        if depth > MAX_DEPTH:
            raise InvalidEvent(Reason.too_deep)
        if containers > MAX_CONTAINERS:
            raise InvalidEvent(Reason.too_large, f"more than {MAX_CONTAINERS} objects and arrays")
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                for name in node:
                    _check_name(name)
                below += node.values()
            else:
                below += node
        for value in below:
            _check_scalar(value)
        level = below


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise InvalidEvent(Reason.invalid_json, f"{name!r}: a name must be text")
    _check_scalar(name)


def _check_scalar(value: Any) -> None:
    match value:
        case str():
            if _SURROGATE.search(value):
                raise InvalidEvent(Reason.lone_surrogate)
        case bool() | None | dict() | list():
            pass
        case int():
            if not MIN_INTEGER <= value <= MAX_INTEGER:
                raise InvalidEvent(Reason.number_out_of_range, str(value) if abs(value) < 10**40 else "")
        case float():
            if not math.isfinite(value):
                raise InvalidEvent(Reason.not_a_number, str(value))
        case _:
            raise InvalidEvent(Reason.invalid_json, f"JSON has no {type(value).__name__}")


def is_text(text: str) -> bool:
    """Return whether every reader can show a text, in one line."""
    return not _NO_TEXT.search(text)


def time_ms(text: object) -> int:
    """Return a time in milliseconds since the epoch. Raise ValueError outside of 1970 to 2261."""
    at_ms = (_parsed(text) - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= at_ms <= _MAX_TIME_MS:
        raise ValueError("must be a time from 1970 to 2261")
    return at_ms


def check_any_time(text: object) -> None:
    """Raise ValueError for what is no time (RFC 3339) of any year."""
    _parsed(text)


def _parsed(text: object) -> datetime:
    """Return a time of RFC 3339. A leap second is the first second after it. Raise ValueError."""
    if not isinstance(text, str) or not (match := _TIME.fullmatch(text)):
        raise ValueError("must be a time with its zone (RFC 3339), such as 2026-10-01T08:00:00Z")
    if match[1] != "60":
        return datetime.fromisoformat(text.upper())
    start, end = match.span(1)
    before = datetime.fromisoformat(f"{text[:start]}59{text[end:]}".upper()).replace(microsecond=0)
    try:
        after = before + timedelta(seconds=1)
        begins_month = after.astimezone(UTC).timetuple()[2:6] == (1, 0, 0, 0)
    except OverflowError:  # on the last day of the calendar
        begins_month = False
    if not begins_month:
        raise ValueError("has a leap second where there can be none (RFC 3339 section 5.7)")
    return after


def is_empty(value: Any) -> bool:
    """Return whether an attribute is unset."""
    return value is None or value == ""


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that are set: null means unset."""
    return {name: value for name, value in fields.items() if value is not None}
