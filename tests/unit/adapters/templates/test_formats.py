"""Dates, numbers and money in the recipient's locale."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel import Locale
from babel.dates import format_date, format_time, get_timezone
from babel.numbers import format_currency, format_decimal
from hypothesis import example, given
from hypothesis import strategies as st

from service.adapters.templates.formats import plural_form, show_date, show_datetime, show_money, show_number

LOCALES = [
    "en",
    "de",
    "de_CH",
    "de_AT",
    "fr",
    "es",
    "pl",
    "pt_PT",
    "hi",
    "en_IN",
    "ar",
    "fa",
    "ja",
    "sv",
    "it",
]
AMOUNTS = st.one_of(
    st.decimals(-(10**16), 10**16, allow_nan=False, places=3), st.integers(-(10**9), 10**9).map(Decimal)
)


@pytest.mark.exhaustive
@given(AMOUNTS, st.sampled_from(LOCALES), st.sampled_from(["EUR", "USD", "JPY", "CHF", "KWD"]))
@example(Decimal("-0.001"), "en", "EUR")
@example(Decimal("1234.5"), "es", "EUR")
@example(Decimal("999.995"), "en", "EUR")
def test_money_is_written_as_by_babel(amount: Decimal, locale: str, currency: str) -> None:
    """The cached pattern writes the same as Babel, for every locale and number."""
    expected = format_currency(amount, currency, locale=Locale.parse(locale))

    assert expected == show_money(amount, currency, locale)


@pytest.mark.exhaustive
@given(AMOUNTS, st.sampled_from(LOCALES))
@example(Decimal(1234), "es")
def test_numbers_are_written_as_by_babel(number: Decimal, locale: str) -> None:
    """The cached pattern writes the same as Babel, for every locale and number."""
    assert format_decimal(number, locale=Locale.parse(locale)) == show_number(number, locale)


@pytest.mark.exhaustive
@given(
    st.datetimes(), st.sampled_from(LOCALES), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
)
def test_dates_and_times_are_written_as_by_babel(moment: datetime, locale: str, zone: str) -> None:
    """A date and a time, cached apart, are the same as Babel writes them at once, in every zone."""
    try:
        local = moment.replace(tzinfo=UTC).astimezone(get_timezone(zone))
    except OverflowError:
        local = moment.replace(tzinfo=UTC)
    known = Locale.parse(locale)
    day, clock = format_date(local, "long", locale=known), format_time(local.time(), "short", locale=known)

    assert show_date(moment, locale, zone) == day
    assert show_date(moment.isoformat() + "Z", locale, zone) == day
    shown = show_datetime(moment, locale, zone)
    assert all(part in shown for part in (day, clock, local.tzname() or ""))


@pytest.mark.parametrize(
    ("value", "locale", "zone", "shown"),
    [
        ("2026-09-01T12:30:00Z", "en", "UTC", "September 1, 2026, 12:30\u202fPM UTC"),
        ("2026-09-01T12:30:00Z", "de", "Europe/Berlin", "1. September 2026, 14:30 CEST"),
        ("2026-09-01T23:30:00+00:00", "de-AT", "Europe/Vienna", "2. September 2026, 01:30 CEST"),
        ("2026-09-01", "de", "America/New_York", "1. September 2026"),
        (1_788_266_400, "de", "UTC", "1. September 2026, 12:40 UTC"),
        (1_788_266_400_000, "de", "UTC", "1. September 2026, 12:40 UTC"),
        (datetime(2026, 9, 1, 12, tzinfo=UTC), "de", "Nowhere/Land", "1. September 2026, 12:00 UTC"),
        (datetime(2026, 9, 1, 12), "de", "UTC", "1. September 2026, 12:00 UTC"),
    ],
)
def test_datetimes(value: object, locale: str, zone: str, shown: str) -> None:
    """Times are in the recipient's zone, with its name; a date alone is not shifted."""
    assert shown == show_datetime(value, locale, zone)


def test_dates_follow_the_zone() -> None:
    """Half past eleven in the evening UTC is tomorrow in Berlin."""
    assert show_date("2026-09-01T23:30:00Z", "de", "Europe/Berlin") == "2. September 2026"
    assert show_date(date(2026, 9, 1), "de", "Europe/Berlin") == "1. September 2026"


@pytest.mark.parametrize(
    "value", ["soon", "", "2026-13-01", True, 1e300, float("nan"), ["x"], "0001-01-01T00:00:00+23:59"]
)
def test_a_value_that_is_not_a_date_is_shown_unchanged(value: object) -> None:
    """An odd value never fails an email."""
    assert show_date(value, "en", "America/New_York")[:1] == str(value)[:1] or isinstance(value, str)
    assert isinstance(show_datetime(value, "en", "America/New_York"), str)


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        ("12.5", "eur", "€12.50"),
        ("abc", "EUR", "abc"),
        (5, "points", "5 points"),
        (5, None, "5"),
        (None, "EUR", ""),
        (True, "EUR", "True"),
        (float("inf"), "EUR", "inf"),
        ("1e999999", "EUR", "1e999999"),
        ("9" * 5000, "EUR", "9" * 5000),
    ],
)
def test_odd_money(value: object, currency: object, shown: str) -> None:
    """A value that is not an amount is shown unchanged, without a costly conversion."""
    assert shown == show_money(value, currency, "en")


def test_unknown_locales_fall_back() -> None:
    """A region that CLDR does not have falls back to its language, an unknown language to English."""
    assert show_money(1234.5, "EUR", "de-XX").replace("\xa0", " ") == "1.234,50 €"
    assert show_money(1234.5, "EUR", "zz") == "€1,234.50"


@pytest.mark.parametrize(
    ("count", "locale", "form"),
    [(1, "en", "one"), (0, "en", "other"), (3, "pl", "few"), ("x", "en", "other")],
)
def test_plurals(count: object, locale: str, form: str) -> None:
    """Counts have the plural form of the language."""
    assert form == plural_form(count, locale)
