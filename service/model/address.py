"""Email addresses: which text is one, and the one spelling by which its mailbox is known.

`check_address` decides where an address enters, `address_domain` before it is sent; what the first accepts, the second
accepts too. `mailbox` is the spelling for comparisons and keys: never for sending.
"""

import re
import unicodedata
from functools import cache, lru_cache
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address
from types import ModuleType

_ALLOWED_RESERVED = ("test", "local")

# RFC 5321 section 4.1.2 (Mailbox, Dot-string, Quoted-string), section 4.1.3 (address literals), RFC 6531 section 3.3
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_HOST = r"[A-Za-z0-9]++(?:(?:\.|-++)[A-Za-z0-9]++)*+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+@({_HOST})")
_LOCAL_ATOM = re.compile(r"[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]++(?:\.[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]++)*+")
_LOCAL_QUOTED = re.compile(r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*+"')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_HOSTNAME = re.compile(_HOST)
# octets: RFC 5321 section 4.5.3.1, RFC 1035 section 2.3.4 for a label
_MAX_LOCAL, _MAX_LABEL, _MAX_DOMAIN, _MAX_ADDRESS = 64, 63, 255, 254


class InvalidAddress(ValueError):
    """A text that is not exactly one addr-spec. The message says why and never repeats the address."""


def check_address(text: str) -> str:
    """Return the text unchanged. Raise InvalidAddress unless mail can be addressed to it by its form alone.

    Reserved domains (`.test`, `.local`) are allowed, because internal relays use them; a domain of a single
    label and one whose last label is a number are not. Quoted local parts and address literals are refused.
    """
    library = _library()
    try:
        validated = library.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except library.EmailNotValidError as error:
        raise InvalidAddress(_without_input(str(error), text)) from None
    _, dot, last_label = (validated.ascii_domain or "").rpartition(".")
    if not dot or last_label.isdigit():
        raise InvalidAddress("The part after the @-sign is not a whole domain name.")
    if len(text.rpartition("@")[0].encode()) > _MAX_LOCAL:
        raise InvalidAddress(f"The part before the @-sign is longer than {_MAX_LOCAL} octets.")
    # Without validating an international domain a second time, which costs most.
    if not _PLAIN.fullmatch(text) and _unusual_domain(text, validated.ascii_domain) is not None:
        return text
    if address_domain(text) is None:
        raise InvalidAddress("The email address is not one that SMTP can transmit.")
    return text


@cache
def _library() -> ModuleType:
    """Return email_validator, imported where an address is checked: settings and commands start faster without it."""
    library = import_module("email_validator")
    # The library's documented way to allow reserved domains is to change its list.
    names = library.SPECIAL_USE_DOMAIN_NAMES
    names[:] = [name for name in names if name not in _ALLOWED_RESERVED]
    return library


def mailbox(address: str) -> str:
    """Return the one spelling of a mailbox: addresses that reach the same mailbox have the same.

    The domain is in A-labels and lower case (RFC 5890 section 2.3.2.1), an international local part in NFC (RFC 6532
    section 3.1), without quotes that it does not need (RFC 5321 section 4.1.2), and in lower case. Only the domain is
    case-insensitive by RFC 5321 section 2.4, but no mailbox in use distinguishes upper from lower case, and a
    suppression that a capital letter escapes is worse than one that covers too much.
    """
    if address.isascii() and '"' not in address:
        return address.strip().lower().removesuffix(".")
    return _unusual_mailbox(address)


@lru_cache(maxsize=4096)
def _unusual_mailbox(address: str) -> str:
    local, at, domain = unicodedata.normalize("NFC", address).strip().rpartition("@")
    if _LOCAL_QUOTED.fullmatch(local):
        content = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        escaped = content.replace("\\", "\\\\").replace('"', '\\"')
        local = content if _LOCAL_ATOM.fullmatch(content) else f'"{escaped}"'
    domain = domain.removesuffix(".")
    # lower case may undo NFC: normalise last
    return unicodedata.normalize("NFC", f"{local}{at}{ascii_domain(domain) or domain}".lower())


def address_domain(address: str) -> str | None:
    """Return the lower-case domain of a single addr-spec (RFC 5321 Mailbox, RFC 6531); None for anything else.

    An international domain is returned as A-labels.
    """
    match = _PLAIN.fullmatch(address)
    if match is None:
        return _unusual_domain(address)
    domain = match[1]
    if len(address) > _MAX_ADDRESS or len(address) - len(domain) > _MAX_LOCAL + 1:
        return None
    if len(domain) > _MAX_LABEL and not _labels_fit(domain):
        return None
    return domain.lower()


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str | None:
    """Return a domain as A-labels (IDNA 2008, RFC 5891 section 4); None when it has none."""
    if domain.isascii():
        return domain
    library = _library()
    try:
        validated = library.validate_email(
            f"x@{domain}", check_deliverability=False, globally_deliverable=False
        )
    except library.EmailNotValidError:
        return None
    a_labels: str | None = validated.ascii_domain
    return a_labels


def ascii_address(address: str) -> str | None:
    """Return the address with its domain as A-labels, for ASCII readers; None if the local part is not ASCII."""
    local, _, domain = address.rpartition("@")
    converted = ascii_domain(domain) if local.isascii() else None
    return None if converted is None else f"{local}@{converted}"


def _unusual_domain(address: str, a_labels: str | None = None) -> str | None:
    """Check quoted local parts, address literals and internationalised addresses step by step: they are rare.

    `a_labels`: the domain as A-labels, where it is known.
    """
    local, at, domain = address.rpartition("@")
    if not at or not all(_printable(character) for character in address if character > "\x7e"):
        return None
    if not (_LOCAL_ATOM.fullmatch(local) or _LOCAL_QUOTED.fullmatch(local)):
        return None
    if len(local.encode()) > _MAX_LOCAL or len(address.encode()) > _MAX_ADDRESS:
        return None
    if domain.startswith("["):
        return domain.lower() if _is_literal(domain) else None
    converted = a_labels or ascii_domain(domain)
    if converted is None or not _HOSTNAME.fullmatch(converted) or not _labels_fit(converted):
        return None
    return converted.lower()


def _printable(character: str) -> bool:
    """Return False for control, format, surrogate, private, unassigned (C*), space and separator (Z*) characters."""
    return unicodedata.category(character)[0] not in "CZ"


def _labels_fit(domain: str) -> bool:
    return len(domain) <= _MAX_DOMAIN and all(0 < len(label) <= _MAX_LABEL for label in domain.split("."))


def _is_literal(domain: str) -> bool:
    inner = domain[1:-1]
    if not domain.endswith("]"):
        return False
    try:
        if inner[:5].lower() == "ipv6:":
            IPv6Address(inner[5:])
        else:
            IPv4Address(inner)
    except ValueError:
        return False
    return "%" not in inner


def _without_input(message: str, text: str) -> str:
    return message if message.isascii() and text not in message else "The email address is not valid."
