"""Dates, numbers and money as the recipient's locale writes them (CLDR, by Babel), kept cheap.

A value that cannot be read is shown as it came: a mail with an odd date helps more than no mail.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone
from babel.numbers import format_currency, format_decimal, get_currency_precision

_NUMERIC = (int, float, str, Decimal)
_LARGE, _HUGE = Decimal(10) ** 15, Decimal(10) ** 30
_MILLISECONDS = 100_000_000_000  # as seconds that would be the year 5138


@lru_cache(maxsize=512)
def locale_of(name: str) -> Locale:
    """The CLDR locale of a BCP 47 or POSIX name; the language alone, then English, where it is not known."""
    parts = name.replace("_", "-").split("-")
    for candidate in ("_".join(parts), parts[0]):
        try:
            return Locale.parse(candidate)
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en")


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name, UTC where it is not known."""
    try:
        return get_timezone(name)
    except LookupError:
        return UTC


def show_date(value: object, locale: str, zone: str) -> str:
    """`1 September 2026`. A date without a time is not moved by the zone."""
    return _kept(_date, value, locale, zone)


def show_datetime(value: object, locale: str, zone: str) -> str:
    """`1 September 2026 at 14:30 CEST`, in the recipient's time zone."""
    return _kept(_datetime, value, locale, zone)


def show_number(value: object, locale: str) -> str:
    """`1,234.5`: grouped, at most three decimals."""
    return _kept(_decimal, value, locale, "")


def show_money(value: object, currency: object, locale: str) -> str:
    """`€1,234.50`. Without an ISO 4217 code the number alone, or with the word that came in its place."""
    return _kept(_money, value, locale, "" if currency is None else str(currency))


def plural_form(count: object, locale: str) -> str:
    """The CLDR plural category of a count: one, other, and in some languages zero, two, few, many."""
    number = _number(count)
    return "other" if number is None else locale_of(locale).plural_form(number)


class _Shape(NamedTuple):
    """How a locale writes a number with a fixed count of decimals; None for `group` where only Babel knows."""

    locale: str
    currency: str
    before: str
    group: str | None
    point: str
    after: str
    decimals: int


_Show = Callable[[object, str, str], str]


@lru_cache(maxsize=8192, typed=True)
def _remembered(show: _Show, value: object, locale: str, detail: str) -> str:
    return show(value, locale, detail)


def _kept(show: _Show, value: object, locale: str, detail: str) -> str:
    """A mail says the same amount or date several times, an event says it to many recipients."""
    short = len(detail) < 50 and (
        len(value) < 50 if isinstance(value, str) else isinstance(value, (int, float))
    )
    if short:
        return _remembered(show, value, locale, detail)
    return show(value, locale, detail)


def _date(value: object, locale: str, zone: str) -> str:
    moment = _moment(value)
    if moment is None:
        return "" if value is None else str(value)
    return _day(_local(moment, zone).date() if isinstance(moment, datetime) else moment, locale)


def _datetime(value: object, locale: str, zone: str) -> str:
    moment = _moment(value)
    if not isinstance(moment, datetime):
        return _date(value, locale, zone)
    local = _local(moment, zone)
    joined = _joint(locale).format(_time(local.hour, local.minute, locale), _day(local.date(), locale))
    return f"{joined} {local.tzname() or ''}".rstrip()


def _decimal(value: object, locale: str, _: str = "") -> str:
    number = _number(value)
    if number is None:
        return "" if value is None else str(value)
    if number == number.to_integral_value():
        return _group(number, _decimal_shape(locale))
    return str(format_decimal(number, locale=locale_of(locale)))


def _money(value: object, locale: str, currency: str) -> str:
    number = _number(value)
    if number is None or not currency:
        return _decimal(value, locale)
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        return f"{_decimal(value, locale)} {currency}"
    return _group(number, _money_shape(currency.upper(), locale))


def _group(number: Decimal, shape: _Shape) -> str:
    if shape.group is None or number.is_signed() or number >= _LARGE:
        return _by_babel(number, shape)
    whole, _, fraction = f"{number:,.{shape.decimals}f}".partition(".")
    grouped = whole.replace(",", shape.group)
    return f"{shape.before}{grouped}{shape.point}{fraction}{shape.after}"


def _by_babel(number: Decimal, shape: _Shape) -> str:
    if shape.currency:
        return str(format_currency(number, shape.currency, locale=locale_of(shape.locale)))
    return str(format_decimal(number, locale=locale_of(shape.locale)))


@lru_cache(maxsize=2048)
def _money_shape(currency: str, locale: str) -> _Shape:
    decimals = get_currency_precision(currency)
    return _probe(_Shape(locale, currency, "", None, "", "", decimals))


@lru_cache(maxsize=512)
def _decimal_shape(locale: str) -> _Shape:
    return _probe(_Shape(locale, "", "", None, "", "", 0))


def _probe(shape: _Shape) -> _Shape:
    """Read the shape off numbers that Babel has written; a locale that groups in another way is left to Babel."""
    small, large = _by_babel(Decimal(1234), shape), _by_babel(Decimal(1234567), shape)
    before, one, rest = large.partition("1")
    group, two, rest = rest.partition("234")
    again, three, rest = rest.partition("567")
    point = rest[: rest.find("0" * shape.decimals)] if shape.decimals else ""
    after = rest[len(point) + shape.decimals :]
    found = shape._replace(before=before, group=group, point=point, after=after)
    regular = bool(one and two and three) and group == again and not any(c.isdigit() for c in before + after)
    if (
        regular
        and group
        and _group(Decimal(1234), found) == small
        and _group(Decimal(1234567), found) == large
    ):
        return found
    return shape


@lru_cache(maxsize=4096)
def _day(day: date, locale: str) -> str:
    return str(format_date(day, "long", locale=locale_of(locale)))


@lru_cache(maxsize=4096)
def _time(hour: int, minute: int, locale: str) -> str:
    return str(format_time(time(hour, minute), "short", locale=locale_of(locale)))


@lru_cache(maxsize=512)
def _joint(locale: str) -> str:
    """The pattern that joins time {0} and date {1}; what CLDR quotes is unquoted."""
    return str(locale_of(locale).datetime_formats["long"]).replace("'", "")


def _moment(value: object) -> datetime | date | None:
    """A time with its zone (UTC where none is given), a date, or None. Numbers are seconds or milliseconds."""
    if isinstance(value, str):
        return _parsed(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS else value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None


def _local(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(zone_of(zone))
    except OverflowError:  # the first and last day of the calendar
        return moment


def _parsed(text: str) -> datetime | date | None:
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: object) -> Decimal | None:
    """A finite number of a size that a mail can show, or None."""
    if isinstance(value, bool) or not isinstance(value, _NUMERIC):
        return None
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and len(text) <= 40 and -_HUGE < number < _HUGE else None
