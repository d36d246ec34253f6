"""Texts as rows of the tables may hold them. Each check returns the same text or raises ValueError."""

import re
import unicodedata
from functools import cache
from zoneinfo import available_timezones

_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,4}")
ROLE = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
"""A role's name, as a pattern."""


def line(text: str) -> str:
    """Free text that people type: anything printable, but nothing that could end a line of a mail's header."""
    if not text.isprintable() and any(unicodedata.category(character) in _REFUSED for character in text):
        raise ValueError("Must be one line without control characters.")
    return text


def user_id(text: str) -> str:
    """A user-id of Basic authentication, which may begin or end with a space (RFC 7617)."""
    if not text.isprintable():
        raise ValueError("Must be printable.")
    return text


def name(text: str) -> str:
    """An id: printable, without a space at either end."""
    if not text.isprintable() or text.strip() != text:
        raise ValueError("Must be printable and not begin or end with a space.")
    return text


def language_tag(text: str) -> str:
    """A locale by its form."""
    if not _LOCALE.fullmatch(text):
        raise ValueError("Must be a language tag such as de or pt-BR.")
    return text


def time_zone(text: str) -> str:
    """A zone of the time zone database."""
    if text not in _zones():
        raise ValueError("Must be a time zone such as Europe/Vienna.")
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
