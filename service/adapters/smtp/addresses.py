"""Addresses that may stand in a command: exactly one addr-spec, byte for byte the one that was given."""

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from email_validator import EmailNotValidError, validate_email

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_HOST = r"[A-Za-z0-9]++(?:(?:\.|-++)[A-Za-z0-9]++)*+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+@({_HOST})")
_LOCAL_ATOM = re.compile(r"[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]++(?:\.[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]++)*+")
_LOCAL_QUOTED = re.compile(r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*+"')
_HOSTNAME = re.compile(_HOST)
_MAX_LOCAL, _MAX_LABEL, _MAX_DOMAIN, _MAX_ADDRESS = 64, 63, 255, 254  # octets: RFC 5321 section 4.5.3.1


def address_domain(address: str) -> str | None:
    """The lower-case domain of a single addr-spec (RFC 5321 Mailbox, RFC 6531); None when it is anything else."""
    match = _PLAIN.fullmatch(address)
    if match is None:
        return _unusual_domain(address)
    domain = match[1]
    if len(address) > _MAX_ADDRESS or len(address) - len(domain) > _MAX_LOCAL + 1:
        return None
    if len(domain) > _MAX_LABEL and not _labels_fit(domain):
        return None
    return domain.lower()


@lru_cache(maxsize=256)
def sender_fits(sender: str) -> bool:
    """Whether `sender` may stand in MAIL FROM: empty (the null reverse-path) or one addr-spec."""
    return not sender or address_domain(sender) is not None


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str | None:
    """A domain as A-labels (IDNA 2008); None when it has none."""
    if domain.isascii():
        return domain
    try:
        found = validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return found.ascii_domain


def ascii_address(address: str) -> str | None:
    """The address for a relay without SMTPUTF8: domain as A-labels; None when the local part needs SMTPUTF8."""
    local, _, domain = address.rpartition("@")
    converted = ascii_domain(domain) if local.isascii() else None
    return None if converted is None else f"{local}@{converted}"


def _unusual_domain(address: str) -> str | None:
    """Quoted local parts, address literals and internationalised addresses: rare, so checked in steps."""
    local, at, domain = address.rpartition("@")
    if not at or not all(_printable(character) for character in address if character > "\x7e"):
        return None
    if not (_LOCAL_ATOM.fullmatch(local) or _LOCAL_QUOTED.fullmatch(local)):
        return None
    if len(local.encode()) > _MAX_LOCAL or len(address.encode()) > _MAX_ADDRESS:
        return None
    if domain.startswith("["):
        return domain.lower() if _is_literal(domain) else None
    converted = ascii_domain(domain)
    if converted is None or not _HOSTNAME.fullmatch(converted) or not _labels_fit(converted):
        return None
    return converted.lower()


def _printable(character: str) -> bool:
    """Neither control, format, surrogate, private, unassigned (C*) nor any space or separator (Z*)."""
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
