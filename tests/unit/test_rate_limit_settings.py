"""Rate limits as settings write them (ADR 18)."""

import pytest
from pydantic import ValidationError

from service.settings import Settings
from service.settings.limits import LimitSettings, parse_rate_limit


@pytest.mark.parametrize(
    ("text", "amount", "window_s"),
    [
        ("600/minute", 600, 60),
        ("600 / minutes", 600, 60),
        ("1 per second", 1, 1),
        ("20 per 5 minutes", 20, 300),
        ("90/3minutes", 90, 180),
        ("300/hour", 300, 3600),
        ("20000/day", 20_000, 86_400),
        ("1/2 months", 1, 60 * 86_400),
        ("999999999/year", 999_999_999, 360 * 86_400),
    ],
)
def test_a_limit_is_an_amount_in_a_window(text: str, amount: int, window_s: int) -> None:
    """Amount, `/` or `per`, how many of a unit, and the unit."""
    assert parse_rate_limit(text) == (amount, window_s)


BAD = [
    "0/minute",
    "600",
    "600/",
    "/minute",
    "600/fortnight",
    "-1/minute",
    "6e2/minute",
    "1/0minutes",
    "1/minute;2/hour",
]


@pytest.mark.parametrize("text", [*BAD, " 1/minute", "1/minute\n", "٣/minute"])
def test_another_text_is_refused(text: str) -> None:
    """No text is read as another limit than it says."""
    with pytest.raises(ValueError, match="must be a rate such as 600/minute, or empty"):
        parse_rate_limit(text)


@pytest.mark.parametrize("text", BAD)
def test_a_setting_that_is_no_limit_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting; an empty one is no limit."""
    monkeypatch.setenv("TOCSIN_LIMITS__PASSWORDS", text)

    with pytest.raises(ValidationError, match=r"limits\.passwords\n.*must be a rate such as 600/minute"):
        Settings()
    assert LimitSettings(passwords="").passwords == ""


def test_every_default_is_a_limit() -> None:
    """Defaults are not validated when settings are read."""
    limits = [value for value in LimitSettings().model_dump().values() if isinstance(value, str)]

    assert len(limits) == 10
    assert all(parse_rate_limit(limit).amount for limit in limits)
