"""The commands that open a transaction, for what this relay says it can do."""

from dataclasses import dataclass

from service.adapters.smtp.addresses import ascii_address
from service.model.mail import OutgoingMail
from service.model.reasons import Reason, ResultReason


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the relay offered in EHLO. `size`: the largest message in octets, 0 for no limit, None: not offered."""

    pipelining: bool = False
    eightbit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size: int | None = None


def envelope(mail: OutgoingMail, offered: Extensions, dsn: bool) -> bytes | ResultReason:
    """MAIL, RCPT and DATA for this mail, each with CRLF, or why this relay can never take it."""
    size = len(mail.content)
    if offered.size and size > offered.size:
        return Reason.too_big
    sender, recipient = mail.sender, mail.recipient
    parameters = "" if offered.size is None else f" SIZE={size}"
    if not mail.content.isascii():
        if not offered.eightbit:
            return Reason.eightbit_unsupported
        parameters += " BODY=8BITMIME"
    notify = ""
    if not (sender.isascii() and recipient.isascii()):
        if offered.smtputf8:
            parameters += " SMTPUTF8"
        else:
            plain_sender, plain_recipient = ascii_address(sender) if sender else "", ascii_address(recipient)
            if plain_sender is None or plain_recipient is None:
                return Reason.smtputf8_unsupported
            sender, recipient = plain_sender, plain_recipient
    if dsn and offered.dsn:
        parameters += f" RET=HDRS ENVID={_xtext(mail.delivery_id)}"
        notify = " NOTIFY=FAILURE,DELAY"
    return f"MAIL FROM:<{sender}>{parameters}\r\nRCPT TO:<{recipient}>{notify}\r\nDATA\r\n".encode()


def _xtext(value: str) -> str:
    """RFC 3461 section 4, cut at 100 octets."""
    text = ""
    for byte in value.encode():
        octet = chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}"
        if len(text) + len(octet) > 100:
            break
        text += octet
    return text
