"""Rate limits of callers as settings write them: `600/minute`, `20 per 5 minutes`."""

import re
from functools import lru_cache
from typing import NamedTuple

_GRAMMAR = re.compile(
    r"([1-9]\d{0,8}) ?(?:/|per) ?([1-9]\d{0,4})? ?(second|minute|hour|day|month|year)s?", re.ASCII
)
_DAY_S = 86_400
_UNITS_S = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": _DAY_S,
    "month": 30 * _DAY_S,
    "year": 360 * _DAY_S,
}


class RateLimit(NamedTuple):
    """The most requests in a window of some seconds."""

    amount: int
    window_s: int


@lru_cache(maxsize=64)
def parse_rate_limit(text: str) -> RateLimit:
    """Return the limit of a text. A month has 30 days and a year twelve months. Raise ValueError for another text."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ValueError("must be a rate such as 600/minute, or empty")
    return RateLimit(int(match[1]), int(match[2] or 1) * _UNITS_S[match[3]])
