"""Settings of the API's rate limits, and how they are written. They are a part of `service.settings`."""

import re
from functools import lru_cache
from typing import NamedTuple

from pydantic import BaseModel, Field, field_validator

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
    """Return the limit of a text such as `600/minute` or `20 per 5 minutes`. Raise ValueError for another text.

    A month has 30 days and a year twelve months.
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ValueError("must be a rate such as 600/minute, or empty")
    return RateLimit(int(match[1]), int(match[2] or 1) * _UNITS_S[match[3]])


class LimitSettings(BaseModel):
    """Rate limits of the API for each caller, as `600/minute`; empty means no limit. All API processes share them.

    The last three limit password verifications, which are slow by design: `passwords` those from one client address,
    `passwords_per_account` those for one account from all addresses, `passwords_per_account_and_address` for one
    account from one address. `contacts` is the largest number of contacts of an account; `new_contacts` limits how many
    it creates.
    """

    inbox: str = "1200/minute"
    tokens: str = "6000/minute"
    tables: str = "1200/minute"
    account: str = "1200/minute"
    events: str = "12000/minute"
    operate: str = "1200/minute"
    contacts: int = Field(default=10_000, ge=1)
    new_contacts: str = "20000/day"
    passwords: str = "30/minute"
    passwords_per_account: str = "300/hour"
    passwords_per_account_and_address: str = "10/minute"

    @field_validator("*", mode="after")
    @classmethod
    def _is_rate(cls, value: str | int) -> str | int:
        if isinstance(value, str) and value:
            parse_rate_limit(value)
        return value
