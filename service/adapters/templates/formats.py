"""Dates, numbers and money as the recipient's locale writes them (CLDR, by Babel), each written once and cached.

A value that cannot be parsed is shown unchanged: an email with an odd date helps more than none.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone
from babel.numbers import format_currency, format_decimal, get_currency_precision

from service.model.validators import parse_time

_NUMERIC = (int, float, str, Decimal)
_LARGE, _HUGE = Decimal(10) ** 15, Decimal(10) ** 30
_MIN_EPOCH_MS = 100_000_000_000  # smaller numbers are seconds; as seconds this is the year 5138


@lru_cache(maxsize=512)
def locale_of(name: str) -> Locale:
    """Return the CLDR locale of a BCP 47 or POSIX name; where it is unknown, its language alone, then English."""
    parts = name.replace("_", "-").split("-")
    for candidate in ("_".join(parts), parts[0]):
        try:
            return Locale.parse(candidate)
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en")


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name, UTC where it is unknown."""
    try:
        return get_timezone(name)
    except LookupError:
        return UTC


def show_date(value: object, locale: str, zone: str) -> str:
    """Return a date: `1 September 2026`. The zone does not shift a date without a time."""
    return _show(_format_date, value, locale, zone)


def show_datetime(value: object, locale: str, zone: str) -> str:
    """Return a date and time in the recipient's time zone: `1 September 2026 at 14:30 CEST`."""
    return _show(_format_datetime, value, locale, zone)


def show_number(value: object, locale: str) -> str:
    """Return a number, grouped, with at most three decimals: `1,234.5`."""
    return _show(_format_number, value, locale, "")


def show_money(value: object, currency: object, locale: str) -> str:
    """Return an amount: `€1,234.50`.

    Without a currency it is the number alone; any text but an ISO 4217 code follows the number unchanged.
    """
    return _show(_format_money, value, locale, "" if currency is None else str(currency))


def plural_form(count: object, locale: str) -> str:
    """Return the CLDR plural category of a count: one, other, and in some languages zero, two, few, many."""
    number = _to_decimal(count)
    return "other" if number is None else locale_of(locale).plural_form(number)


class _NumberPattern(NamedTuple):
    """A locale's pattern for numbers with a fixed count of decimals; without `group` Babel writes each number."""

    locale: str
    currency: str
    before: str
    group: str | None
    point: str
    after: str
    decimals: int


_Formatter = Callable[[object, str, str], str]


@lru_cache(maxsize=8192, typed=True)
def _format_cached(formatter: _Formatter, value: object, locale: str, detail: str) -> str:
    return formatter(value, locale, detail)


def _show(formatter: _Formatter, value: object, locale: str, detail: str) -> str:
    """Return the formatted value, from a cache if it is short.

    An email repeats the same amount or date, and an event repeats it to many recipients.
    """
    short = len(detail) < 50 and (
        len(value) < 50 if isinstance(value, str) else isinstance(value, (int, float))
    )
    if short:
        return _format_cached(formatter, value, locale, detail)
    return formatter(value, locale, detail)


def _format_date(value: object, locale: str, zone: str) -> str:
    moment = _to_moment(value)
    if moment is None:
        return "" if value is None else str(value)
    return _format_day(_in_zone(moment, zone).date() if isinstance(moment, datetime) else moment, locale)


def _format_datetime(value: object, locale: str, zone: str) -> str:
    moment = _to_moment(value)
    if not isinstance(moment, datetime):
        return _format_date(value, locale, zone)
    local = _in_zone(moment, zone)
    joined = _datetime_pattern(locale).format(
        _format_time(local.hour, local.minute, locale), _format_day(local.date(), locale)
    )
    return f"{joined} {local.tzname() or ''}".rstrip()


def _format_number(value: object, locale: str, _: str = "") -> str:
    number = _to_decimal(value)
    if number is None:
        return "" if value is None else str(value)
    if number == number.to_integral_value():
        return _write_number(number, _number_pattern(locale))
    return str(format_decimal(number, locale=locale_of(locale)))


def _format_money(value: object, locale: str, currency: str) -> str:
    number = _to_decimal(value)
    if number is None or not currency:
        return _format_number(value, locale)
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        return f"{_format_number(value, locale)} {currency}"
    return _write_number(number, _money_pattern(currency.upper(), locale))


def _write_number(number: Decimal, pattern: _NumberPattern) -> str:
    """Return the number by its pattern; negative and very large ones are rare and left to Babel."""
    if pattern.group is None or number.is_signed() or number >= _LARGE:
        return _write_with_babel(number, pattern)
    whole, _, fraction = f"{number:,.{pattern.decimals}f}".partition(".")
    grouped = whole.replace(",", pattern.group)
    return f"{pattern.before}{grouped}{pattern.point}{fraction}{pattern.after}"


def _write_with_babel(number: Decimal, pattern: _NumberPattern) -> str:
    if pattern.currency:
        return str(format_currency(number, pattern.currency, locale=locale_of(pattern.locale)))
    return str(format_decimal(number, locale=locale_of(pattern.locale)))


@lru_cache(maxsize=2048)
def _money_pattern(currency: str, locale: str) -> _NumberPattern:
    decimals = get_currency_precision(currency)
    return _derive_pattern(_NumberPattern(locale, currency, "", None, "", "", decimals))


@lru_cache(maxsize=512)
def _number_pattern(locale: str) -> _NumberPattern:
    return _derive_pattern(_NumberPattern(locale, "", "", None, "", "", 0))


def _derive_pattern(pattern: _NumberPattern) -> _NumberPattern:
    """Return the pattern filled in from numbers that Babel has written.

    Where the locale groups digits differently, return it unchanged; Babel then formats every number.
    """
    small, large = _write_with_babel(Decimal(1234), pattern), _write_with_babel(Decimal(1234567), pattern)
    before, one, tail = large.partition("1")
    group, two, tail = tail.partition("234")
    again, three, tail = tail.partition("567")
    point = tail[: tail.find("0" * pattern.decimals)] if pattern.decimals else ""
    after = tail[len(point) + pattern.decimals :]
    derived = pattern._replace(before=before, group=group, point=point, after=after)
    regular = bool(one and two and three) and group == again and not any(c.isdigit() for c in before + after)
    if (
        regular
        and group
        and _write_number(Decimal(1234), derived) == small
        and _write_number(Decimal(1234567), derived) == large
    ):
        return derived
    return pattern


@lru_cache(maxsize=4096)
def _format_day(day: date, locale: str) -> str:
    return str(format_date(day, "long", locale=locale_of(locale)))


@lru_cache(maxsize=4096)
def _format_time(hour: int, minute: int, locale: str) -> str:
    return str(format_time(time(hour, minute), "short", locale=locale_of(locale)))


@lru_cache(maxsize=512)
def _datetime_pattern(locale: str) -> str:
    """Return the pattern that joins time {0} and date {1}, without the quotes that CLDR puts around words."""
    return str(locale_of(locale).datetime_formats["long"]).replace("'", "")


def _to_moment(value: object) -> datetime | date | None:
    """Return a time with its zone (UTC where it has none), a date, or None for any other value.

    Numbers are seconds or milliseconds since the epoch.
    """
    if isinstance(value, str):
        return _parse_moment(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000 if abs(value) >= _MIN_EPOCH_MS else value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None


def _in_zone(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(zone_of(zone))
    except OverflowError:  # on the first and last day of the calendar
        return moment


def _parse_moment(text: str) -> datetime | date | None:
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _rfc3339(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rfc3339(text: str) -> datetime | None:
    """Return a time in a form that Python does not know: a leap second, or a small `t` or `z`."""
    try:
        return parse_time(text)
    except ValueError:
        return None


def _to_decimal(value: object) -> Decimal | None:
    """Return a finite number short enough for an email, or None for any other value."""
    if isinstance(value, bool) or not isinstance(value, _NUMERIC):
        return None
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and len(text) <= 40 and -_HUGE < number < _HUGE else None
