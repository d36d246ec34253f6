"""Addresses as they are accepted: exactly one addr-spec (RFC 5321, RFC 6531), kept as it was given."""

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

_LET_THROUGH = ("test", "local")
# The library's documented way to allow reserved domains is to change its list.
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in _LET_THROUGH]


class InvalidAddress(ValueError):
    """Not exactly one addr-spec. The text says why and never repeats the address."""


def check_address(text: str) -> str:
    """The same text, if mail can be addressed to it by its form alone. Raises InvalidAddress.

    Reserved domains (`.test`, `.local`) are let through, because relays inside a house use them; a domain of
    a single label and one whose last label is a number are not.
    """
    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidAddress(_without_input(str(error), text)) from None
    _, dot, last = (found.ascii_domain or "").rpartition(".")
    if not dot or last.isdigit():
        raise InvalidAddress("The part after the @-sign is not a whole domain name.")
    return text


def _without_input(message: str, text: str) -> str:
    return message if message.isascii() and text not in message else "The email address is not valid."
