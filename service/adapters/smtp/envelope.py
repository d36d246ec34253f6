"""Write the commands that open a transaction, with the parameters that the relay supports."""

from dataclasses import dataclass
from functools import lru_cache

from service.model.address import address_domain, ascii_address
from service.model.mail import OutgoingMail
from service.model.reasons import Reason, ResultReason

_MAX_ENVID = 100  # characters: RFC 3461 section 4.4


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions offered in EHLO. `size`: the largest message in octets, 0 for no limit, None for not offered."""

    pipelining: bool = False
    eightbit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size: int | None = None


def envelope(mail: OutgoingMail, offered: Extensions, dsn: bool) -> bytes | ResultReason:
    """Return MAIL, RCPT and DATA for this message, each with CRLF, or the reason why this relay can never take it."""
    size = len(mail.content)
    if (
        offered.size and size > offered.size
    ):  # RFC 1870 sections 3 and 6: the limit, 0 for none, and the parameter
        return Reason.too_big
    sender, recipient = mail.sender, mail.recipient
    parameters = "" if offered.size is None else f" SIZE={size}"
    if not mail.content.isascii():  # RFC 6152 section 3: 8-bit content only to a relay that offers 8BITMIME
        if not offered.eightbit:
            return Reason.eightbit_unsupported
        parameters += " BODY=8BITMIME"
    notify = ""
    if not (sender.isascii() and recipient.isascii()):
        # A domain alone needs no SMTPUTF8 (RFC 6531 section 3.4): every relay takes it as A-labels.
        plain_sender, plain_recipient = ascii_address(sender) if sender else "", ascii_address(recipient)
        if plain_sender is not None and plain_recipient is not None:
            sender, recipient = plain_sender, plain_recipient
        elif offered.smtputf8:
            parameters += " SMTPUTF8"
        else:
            return Reason.smtputf8_unsupported
    if dsn and offered.dsn:  # RFC 3461 sections 4.3 (RET), 4.4 (ENVID) and 4.1 (NOTIFY)
        parameters += f" RET=HDRS ENVID={_xtext(mail.delivery_id)}"
        notify = " NOTIFY=FAILURE,DELAY"
    return f"MAIL FROM:<{sender}>{parameters}\r\nRCPT TO:<{recipient}>{notify}\r\nDATA\r\n".encode()


@lru_cache(maxsize=256)
def is_valid_sender(sender: str) -> bool:
    """Return True if MAIL FROM may hold `sender`: the null reverse-path (RFC 5321 section 4.5.5) or one addr-spec."""
    return not sender or address_domain(sender) is not None


def _xtext(value: str) -> str:
    """Encode as xtext (RFC 3461 section 4), cut at 100 octets."""
    text = ""
    for byte in value.encode():
        octet = chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}"
        if len(text) + len(octet) > _MAX_ENVID:
            break
        text += octet
    return text
