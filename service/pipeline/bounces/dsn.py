"""Reader of delivery status notifications (RFC 3464) and complaints (ARF, RFC 5965).

The content is written by others, so nothing in it is trusted. It is read in bounded time and memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import Message
from email.parser import BytesParser
from enum import StrEnum

_MAX_BYTES = 262_144  # the report comes first, the message it is about after it
_MAX_PARTS, _MAX_GROUPS, _MAX_SENDERS = 50, 20, 10
_STATUS = re.compile(r"([245])\.\d{1,3}\.\d{1,3}")
_ADDRESS = re.compile(r"[^\s<>;,\"()]{1,128}@[^\s<>;,\"()]{1,255}")
_ACTIONS = ("failed", "delayed", "relayed", "expanded", "delivered")
"""The actions of RFC 3464, the worst one first."""


class ReportKind(StrEnum):
    """The kinds of reports."""

    bounce = "bounce"
    complaint = "complaint"


@dataclass(frozen=True, slots=True)
class Report:
    """A bounce or a complaint. `status`: as RFC 3463, empty where there is none.

    `senders`: addresses that may be the envelope sender of the message that the report is about.
    """

    kind: ReportKind
    action: str = ""
    status: str = ""
    addresses: tuple[str, ...] = ()
    detail: str = ""
    senders: tuple[str, ...] = ()


def read_report(raw: bytes) -> Report | None:
    """Return the report in a message; None when it holds none. Never raises, whatever the octets are."""
    try:
        message = BytesParser().parsebytes(raw[:_MAX_BYTES])
        return _read(message)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return None  # the standard library's parser failed on it: there is no report that could be acted on


def _read(message: Message) -> Report | None:
    report: Report | None = None
    senders = _addresses(message, "To", "Delivered-To", "X-Original-To")
    for part in _parts(message):
        match part.get_content_type():
            case "message/delivery-status" if report is None:
                report = _bounce(part)
            case "message/feedback-report" if report is None:
                report = _complaint(part)
                senders += _addresses(_inner_message(part), "Original-Mail-From")
            case "message/rfc822" | "text/rfc822-headers" | "message/rfc822-headers":
                senders += _addresses(_original(part), "Return-Path", "X-Original-Mail-From")
    return replace(report, senders=tuple(dict.fromkeys(senders))[:_MAX_SENDERS]) if report else None


def _parts(message: Message) -> Iterator[Message]:
    """Yield the parts of the outermost multipart, where reports are (RFC 6522), and of one level below it."""
    queue, count = [(message, 0)], 0
    while queue and count < _MAX_PARTS:
        part, depth = queue.pop(0)
        count += 1
        yield part
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and depth < 2 and isinstance(payload, list):
            queue += [(inner, depth + 1) for inner in payload[:_MAX_PARTS] if isinstance(inner, Message)]


def _bounce(part: Message) -> Report | None:
    """Return the report on the recipient with the worst action: our messages have one recipient."""
    payload = part.get_payload()
    groups = [g for g in payload[:_MAX_GROUPS] if isinstance(g, Message)] if isinstance(payload, list) else []
    reported = [group for group in groups if group.get("Action") or group.get("Status")]
    if not reported:
        return None
    worst = min(reported, key=lambda group: _rank(_action(group)))
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
    fields = _inner_message(part)
    kind = _field(fields, "Feedback-Type").lower()
    if not kind:
        return None
    addresses = tuple(_addresses(fields, "Original-Rcpt-To"))
    return Report(ReportKind.complaint, action=kind, addresses=addresses, detail=kind)


def _inner_message(part: Message) -> Message:
    """Return the fields of a feedback report, which the parser takes for a message inside it."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    return Message()


def _original(part: Message) -> Message:
    """Return the message that a report is about, or its headers."""
    if part.get_content_type() == "message/rfc822":
        return _inner_message(part)
    payload = part.get_payload(decode=True)
    return (
        BytesParser().parsebytes(payload, headersonly=True)
        if isinstance(payload, bytes)
        else _inner_message(part)
    )


def _action(group: Message) -> str:
    return _field(group, "Action").lower().partition(" ")[0]


def _rank(action: str) -> int:
    return _ACTIONS.index(action) if action in _ACTIONS else len(_ACTIONS)


def _field(message: Message, name: str) -> str:
    """Return a field as one line of at most 500 characters."""
    text = str(message.get(name, ""))[:1000]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]


def _addresses(message: Message, *names: str) -> list[str]:
    """Return the texts that look like addresses in these fields, a few of each."""
    return [
        address
        for name in names
        for value in message.get_all(name, [])[:4]
        for address in _ADDRESS.findall(str(value)[:1000])[:4]
    ]
