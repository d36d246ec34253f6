"""Check addresses for SMTP commands: exactly one addr-spec, sent byte for byte as the caller passed it."""

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from email_validator import EmailNotValidError, validate_email

# RFC 5321 section 4.1.2 (Mailbox, Dot-string, Quoted-string), section 4.1.3 (address literals), RFC 6531 section 3.3
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_HOST = r"[A-Za-z0-9]++(?:(?:\.|-++)[A-Za-z0-9]++)*+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+@({_HOST})")
_LOCAL_ATOM = re.compile(r"[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]++(?:\.[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]++)*+")
_LOCAL_QUOTED = re.compile(r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*+"')
_HOSTNAME = re.compile(_HOST)
# octets: RFC 5321 section 4.5.3.1, RFC 1035 section 2.3.4 for a label
_MAX_LOCAL, _MAX_LABEL, _MAX_DOMAIN, _MAX_ADDRESS = 64, 63, 255, 254


def address_domain(address: str) -> str | None:
    """Return the lower-case domain of a single addr-spec (RFC 5321 Mailbox, RFC 6531); None for anything else."""
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
def is_valid_sender(sender: str) -> bool:
    """Return True if MAIL FROM may hold `sender`: the null reverse-path (RFC 5321 section 4.5.5) or one addr-spec."""
    return not sender or address_domain(sender) is not None


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str | None:
    """Return a domain as A-labels (IDNA 2008, RFC 5891 section 4); None when it has none."""
    if domain.isascii():
        return domain
    try:
        validated = validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return validated.ascii_domain


def ascii_address(address: str) -> str | None:
    """Return the address for a relay without SMTPUTF8, its domain as A-labels; None if the local part is not ASCII."""
    local, _, domain = address.rpartition("@")
    converted = ascii_domain(domain) if local.isascii() else None
    return None if converted is None else f"{local}@{converted}"


def _unusual_domain(address: str) -> str | None:
    """Check quoted local parts, address literals and internationalised addresses step by step: they are rare."""
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
