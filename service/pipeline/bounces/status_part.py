"""Reader of the parts of a report that are meant for machines: RFC 3464 and RFC 6533, RFC 5965."""

import re

from service.pipeline.bounces.mime import Part, decode_words, own_parts, read_fields
from service.pipeline.bounces.report import ACTIONS, RecipientReport

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK_TYPE = "message/feedback-report"
_MAX_RECIPIENTS = 20
_MAX_ADDRESSES = 4
_MAX_DIAGNOSTIC = 2000
_ADDRESS = re.compile(r"[^\s<>;,\"()]{1,128}@[^\s<>;,\"()]{1,255}")
_STATUS = re.compile(r"\s{0,9}\(?#?([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
# A status in words counts only where servers put one: after the code of a reply. An IP address is none.
_IN_REPLY = re.compile(r"(?<![\d.])([245])\d\d[ -]{1,3}#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_ACTIONS = {name: name for name in ACTIONS} | {
    "error": "failed",  # OpenSMTPD's
    "fail": "failed",
    "failure": "failed",
    "delay": "delayed",
    "deliverable": "delivered",  # the answer to a probe
}
_UNITEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")  # RFC 6533 section 3
_XTEXT = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461 section 4
_RECIPIENT_FIELDS = ("original-recipient", "final-recipient", "x-actual-recipient")


def read_status_part(message: Part) -> tuple[RecipientReport, ...]:
    """Return the reports on recipients in the first status part that has any, of this message or one inside it.

    A status part without a group for a recipient reports on no one. Some servers write the fields into the text, or
    lose the boundaries between the parts: there a group must be complete.
    """
    for part in message.walk():
        if part.content_type in _STATUS_TYPES and (recipients := _recipients(part.decoded(), complete=False)):
            return recipients
    texts = [
        one
        for one in own_parts(message)
        if not one.parts and one.content_type.startswith(("text/", "multipart/", "application/octet-stream"))
    ]
    return next(filter(None, (_recipients(one.decoded(), complete=True) for one in texts)), ())


def has_status_part(message: Part) -> bool:
    """Return whether any part is a delivery status, complete or not."""
    return any(part.content_type in _STATUS_TYPES for part in message.walk())


def read_feedback(message: Part) -> dict[str, str] | None:
    """Return the fields of a feedback report, their names in lower case; None where there is none."""
    for part in message.walk():
        if part.content_type == _FEEDBACK_TYPE:
            fields = [field for group in read_fields(part.decoded()) for field in group]
            return dict(reversed(fields))
    return None


def addresses_in(text: str) -> tuple[str, ...]:
    """Return the texts that look like addresses, a few, also as RFC 3461 and RFC 6533 encode them."""
    decoded = _UNITEXT.sub(_code_point, text[:2000])
    plain = [address.rstrip(".") for address in _ADDRESS.findall(decoded)[:_MAX_ADDRESSES]]
    encoded = [_XTEXT.sub(lambda match: chr(int(match[1], 16)), address) for address in plain]
    return tuple(dict.fromkeys([*plain, *encoded]))


def status_in(text: str) -> str:
    """Return the status in a diagnostic text (RFC 3463): after a reply code of its class; empty where there is none."""
    for match in _IN_REPLY.finditer(text[:_MAX_DIAGNOSTIC]):
        if match[2].startswith(match[1]):
            return match[2]
    return ""


def _recipients(octets: bytes, *, complete: bool) -> tuple[RecipientReport, ...]:
    """Return the reports in groups of fields; `complete`: with address and action, as RFC 3464 section 2.3 demands."""
    groups = [dict(reversed(group)) for group in read_fields(octets)]
    chosen = [
        g for g in groups if ({"final-recipient", "action"} <= g.keys() if complete else _is_recipient(g))
    ]
    return tuple(map(_recipient, chosen[:_MAX_RECIPIENTS]))


def _is_recipient(group: dict[str, str]) -> bool:
    return (
        "action" in group or "status" in group or ("diagnostic-code" in group and "final-recipient" in group)
    )


def _recipient(group: dict[str, str]) -> RecipientReport:
    diagnostic = _line(group.get("diagnostic-code", ""))
    kind, semicolon, text = diagnostic.partition(";")
    diagnostic = text.strip() if semicolon and len(kind) < 40 and " " not in kind.strip() else diagnostic
    match = _STATUS.match(group.get("status", ""))
    status = f"{match[1]}.{int(match[2])}.{int(match[3])}" if match else ""
    if not status or status[1:] == ".0.0":
        status = status_in(diagnostic) or status
    addresses: list[str] = []
    for name in _RECIPIENT_FIELDS:
        addresses += addresses_in(group.get(name, "").replace(";", " ; "))
    return RecipientReport(_action(group), status, diagnostic, tuple(dict.fromkeys(addresses)))


def _action(group: dict[str, str]) -> str:
    word = re.split(r"[^a-z]", group.get("action", "").strip().lower(), maxsplit=1)[0]
    return _ACTIONS.get(word, "")


def _line(value: str) -> str:
    """Return a field as one line."""
    text = decode_words(value)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_DIAGNOSTIC]


def _code_point(match: re.Match[str]) -> str:
    try:
        return chr(int(match[1], 16))
    except (ValueError, OverflowError):
        return match[0]
