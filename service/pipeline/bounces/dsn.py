"""What comes back as mail: delivery status notifications (RFC 3464) and complaints (ARF, RFC 5965).

Whatever is in such a mail was written by others: nothing here is believed, only read, in bounded time and memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from enum import StrEnum

_MOST_BYTES = 262_144  # the report comes first, the mail it is about after it
_MOST_PARTS, _MOST_GROUPS, _MOST_SENDERS = 50, 20, 10
_STATUS = re.compile(r"([245])\.\d{1,3}\.\d{1,3}")
_ADDRESS = re.compile(r"[^\s<>;,\"()]{1,128}@[^\s<>;,\"()]{1,255}")
_WORST = ("failed", "delayed", "relayed", "expanded", "delivered")


class ReportKind(StrEnum):
    """What a report is."""

    bounce = "bounce"
    complaint = "complaint"


@dataclass(frozen=True, slots=True)
class Report:
    """`status`: as RFC 3463, empty where none is given. `senders`: addresses that may be the mail's envelope sender."""

    kind: ReportKind
    action: str = ""
    status: str = ""
    addresses: tuple[str, ...] = ()
    detail: str = ""
    senders: tuple[str, ...] = ()


def read_report(raw: bytes) -> Report | None:
    """The report in a mail; None when it holds none. Never raises, whatever the octets are."""
    try:
        message = BytesParser().parsebytes(raw[:_MOST_BYTES])
        return _read(message)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return None  # the standard library's parser was led astray: it holds no report that could be acted on


def _read(message: Message) -> Report | None:
    found: Report | None = None
    senders = _addresses(message, "To", "Delivered-To", "X-Original-To")
    for part in _parts(message):
        match part.get_content_type():
            case "message/delivery-status" if found is None:
                found = _bounce(part)
            case "message/feedback-report" if found is None:
                found = _complaint(part)
                senders += _addresses(_first(part), "Original-Mail-From")
            case "message/rfc822" | "text/rfc822-headers" | "message/rfc822-headers":
                senders += _addresses(_original(part), "Return-Path", "X-Original-Mail-From")
    if found is None:
        return None
    return Report(
        found.kind,
        found.action,
        found.status,
        found.addresses,
        found.detail,
        tuple(dict.fromkeys(senders))[:_MOST_SENDERS],
    )


def _parts(message: Message) -> Iterator[Message]:
    """The parts of the outermost multipart, which is where reports stand (RFC 6522), and of one level below it."""
    waiting, seen = [(message, 0)], 0
    while waiting and seen < _MOST_PARTS:
        part, depth = waiting.pop(0)
        seen += 1
        yield part
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and depth < 2 and isinstance(payload, list):
            waiting += [(inner, depth + 1) for inner in payload[:_MOST_PARTS] if isinstance(inner, Message)]


def _bounce(part: Message) -> Report | None:
    """The recipient who fared worst: our mails have one."""
    payload = part.get_payload()
    groups = (
        [g for g in payload[:_MOST_GROUPS] if isinstance(g, Message)] if isinstance(payload, list) else []
    )
    told = [group for group in groups if group.get("Action") or group.get("Status")]
    if not told:
        return None
    worst = min(told, key=lambda group: _rank(_action(group)))
    diagnostic = _field(worst, "Diagnostic-Code").partition(";")[2].strip()
    status = _STATUS.search(_field(worst, "Status")) or _STATUS.search(diagnostic)
    return Report(
        ReportKind.bounce,
        action=_action(worst),
        status=status[0] if status else "",
        addresses=tuple(_addresses(worst, "Original-Recipient", "Final-Recipient")),
        detail=diagnostic,
    )


def _complaint(part: Message) -> Report | None:
    fields = _first(part)
    kind = _field(fields, "Feedback-Type").lower()
    if not kind:
        return None
    addresses = tuple(_addresses(fields, "Original-Rcpt-To"))
    return Report(ReportKind.complaint, action=kind, addresses=addresses, detail=kind)


def _first(part: Message) -> Message:
    """The fields of a feedback report: the parser takes them for a message inside."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    return Message()


def _original(part: Message) -> Message:
    """The mail that a report is about, or its headers."""
    if part.get_content_type() == "message/rfc822":
        return _first(part)
    payload = part.get_payload(decode=True)
    return BytesParser().parsebytes(payload, headersonly=True) if isinstance(payload, bytes) else _first(part)


def _action(group: Message) -> str:
    return _field(group, "Action").lower().partition(" ")[0]


def _rank(action: str) -> int:
    return _WORST.index(action) if action in _WORST else len(_WORST)


def _field(message: Message, name: str) -> str:
    """A field as one line of at most 500 characters."""
    text = str(message.get(name, ""))[:1000]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]


def _addresses(message: Message, *names: str) -> list[str]:
    """What looks like an address in these fields, a few of each."""
    return [
        found
        for name in names
        for value in message.get_all(name, [])[:4]
        for found in _ADDRESS.findall(str(value)[:1000])[:4]
    ]
