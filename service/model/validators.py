"""Checks of the texts in table rows. Each returns its text unchanged or raises ValueError."""

import re
import unicodedata
from functools import cache
from zoneinfo import available_timezones

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,4}")
ROLE = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
"""The pattern of a role's name."""


def check_line(text: str) -> str:
    """Return free text that people type. Raise ValueError if it could end a line of a message's header."""
    if not text.isprintable() and any(
        unicodedata.category(character) in _REFUSED_CATEGORIES for character in text
    ):
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
