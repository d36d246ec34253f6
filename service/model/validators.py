"""What a value may be, wherever it enters: one definition of times, integers and text that every reader can show.

| value | bounds | why |
|---|---|---|
| time | RFC 3339, 1970 to the end of 2261 | every zone, JavaScript, Redis and 64-bit nanoseconds can hold it |
| integer | 64 bits, signed or unsigned | JSON readers keep it exactly or not at all |
| version, time in ms | 0 to 2^53 | Redis compares both as floating point numbers |
| text | no control, line separator, half surrogate pair or noncharacter | CloudEvents 1.0.2 §2.3, RFC 8259 §8.2 |

The checks return their text unchanged or raise ValueError.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeGuard
from zoneinfo import available_timezones

MIN_TIME_MS = 0
MAX_TIME_MS = 9_214_646_399_999
"""The last millisecond of 2261: nanoseconds since the epoch fit 64 bits until April 2262."""

MAX_DURATION_S = 10 * 366 * 86_400
"""Ten years: a time and a duration together stay times that every reader can show."""

MAX_VERSION = 2**53
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1

# RFC 3339 section 5.6. A blank may stand for the T, which its note allows for the sake of readability.
_TIME = re.compile(
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(?:\.[0-9]{1,64})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND, _SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
_NO_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,4}")
ROLE = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
"""The pattern of a role's name."""


class FieldProblem(ValueError):
    """An invalid field of a form.

    `field` is the path to the field, outermost name first. `message` is a sentence that does not contain the field's
    value. Names in the path come from the caller and can be of any length.
    """

    def __init__(self, field: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def check_line(text: str) -> str:
    """Return free text that people type. Raise ValueError if it could end a line of a message's header."""
    if not is_text(text):
        raise ValueError("Must be one line without control characters.")
    return text


def check_user_id(text: str) -> str:
    """Return a user-id of Basic authentication, which may begin or end with a space (RFC 7617)."""
    if not text.isprintable():
        raise ValueError("Must be printable.")
    return text


def check_id(text: str) -> str:
    """Return an id. Raise ValueError unless it is printable, without a space at either end."""
    if not text.isprintable() or text.strip() != text:
        raise ValueError("Must be printable and not begin or end with a space.")
    return text


def check_language_tag(text: str) -> str:
    """Return a locale. Raise ValueError unless it has the form of a language tag."""
    if not _LANGUAGE_TAG.fullmatch(text):
        raise ValueError("Must be a language tag such as de or pt-BR.")
    return text


def check_time_zone(text: str) -> str:
    """Return a zone of the time zone database. Raise ValueError for any other name."""
    if text not in _zones():
        raise ValueError("Must be a time zone such as Europe/Vienna.")
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def parse_time(text: object) -> datetime:
    """Return a time of RFC 3339 with its offset. Raise ValueError for anything else, other forms of ISO 8601 included.

    `t` and `z` may be small. A leap second (23:59:60 UTC on the last day of a month) is the first second after it, as
    clocks have it that count seconds since the epoch.
    """
    if not isinstance(text, str) or not (match := _TIME.fullmatch(text)):
        raise ValueError("must be a time with its zone (RFC 3339), such as 2026-10-01T08:00:00Z")
    if match[1] != "60":
        return datetime.fromisoformat(text.upper())
    start, end = match.span(1)
    before = datetime.fromisoformat(f"{text[:start]}59{text[end:]}".upper())
    try:
        after = before.replace(microsecond=0) + _SECOND
        begins_month = after.astimezone(UTC).timetuple()[2:6] == (1, 0, 0, 0)
    except OverflowError:  # on the last day of the calendar
        begins_month = False
    if not begins_month:
        raise ValueError("has a leap second where there can be none (RFC 3339 section 5.7)")
    return after


def time_ms(text: object) -> int:
    """Return a time of RFC 3339 in milliseconds since the epoch. Raise ValueError outside of 1970 to 2261."""
    at_ms = (parse_time(text) - _EPOCH) // _MILLISECOND
    if not MIN_TIME_MS <= at_ms <= MAX_TIME_MS:
        raise ValueError("must be a time from 1970 to 2261")
    return at_ms


def nearest_time_ms(text: object) -> int:
    """Return a time of RFC 3339 in milliseconds, the nearest that can be shown: a deadline in 9999 means never."""
    return clamp_ms((parse_time(text) - _EPOCH) // _MILLISECOND)


def is_time_ms(at_ms: object) -> TypeGuard[int]:
    """Return whether this is a number of milliseconds since the epoch that can be shown."""
    return type(at_ms) is int and MIN_TIME_MS <= at_ms <= MAX_TIME_MS


def clamp_ms(at_ms: int) -> int:
    """Return the nearest time, in milliseconds since the epoch, that can be shown."""
    return min(max(at_ms, MIN_TIME_MS), MAX_TIME_MS)


def check_time(text: str) -> str:
    """Return a time of RFC 3339 unchanged. Raise ValueError outside of 1970 to 2261, and for anything else."""
    time_ms(text)
    return text


def is_text(text: str) -> bool:
    """Return whether every reader can show a text, in one line."""
    return text.isprintable() or not _NO_TEXT.search(text)


def networks_in(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks in a comma-separated list of addresses and networks. Raise ValueError for anything else."""
    parts = (part.strip() for part in text.split(","))
    return tuple(ip_network(part, strict=False) for part in parts if part)
