"""Email addresses by their form: exactly one addr-spec (RFC 5321, RFC 6531), kept unchanged."""

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

_ALLOWED_RESERVED = ("test", "local")
# The library's documented way to allow reserved domains is to change its list.
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in _ALLOWED_RESERVED]


class InvalidAddress(ValueError):
    """A text that is not exactly one addr-spec. The message says why and never repeats the address."""


def check_address(text: str) -> str:
    """Return the text unchanged. Raise InvalidAddress unless mail can be addressed to it by its form alone.

    Reserved domains (`.test`, `.local`) are allowed, because internal relays use them; a domain of a single
    label and one whose last label is a number are not.
    """
    try:
        validated = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidAddress(_without_input(str(error), text)) from None
    _, dot, last_label = (validated.ascii_domain or "").rpartition(".")
    if not dot or last_label.isdigit():
        raise InvalidAddress("The part after the @-sign is not a whole domain name.")
    return text


def _without_input(message: str, text: str) -> str:
    return message if message.isascii() and text not in message else "The email address is not valid."
