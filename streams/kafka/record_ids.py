"""What a record is about, read without judging it: for logs and traces, where a bad record must not be in the way."""

from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from service.model.record import Headers


class RecordIds(NamedTuple):
    """Empty where the record does not say. `event_id` and `source` are the upstream's own."""

    event_id: str = ""
    source: str = ""
    delivery: str = ""
    recipient: str = ""
    traceparent: str = ""


def record_ids(value: bytes | None, headers: Headers) -> RecordIds:
    """Of an event in any of its forms, a delivery, or an outcome. Never raises."""
    told = {name.lower(): (content or b"").decode("utf-8", "replace") for name, content in headers}
    binary = "ce_id" in told and not told.get("content-type", "").startswith("application/cloudevents")
    fields = {} if binary else _fields(value)
    for name in _HEADERS.keys() & told.keys():
        fields.setdefault(_HEADERS[name], told[name])
    fields.setdefault("traceparent", told.get("traceparent"))
    ours = "event_id" in fields
    return RecordIds(
        event_id=_text(fields, "event_id" if ours else "id"),
        source=_text(fields, "source"),
        delivery=_text(fields, "delivery") or _text(fields, "id") if ours else "",
        recipient=_text(fields, "recipient") if ours else "",
        traceparent=_text(fields, "traceparent"),
    )


def log_fields(value: bytes | None, headers: Headers) -> dict[str, str]:
    """The identity as fields of a log line. A recipient that could be an address is a digest of it."""
    found = record_ids(value, headers)
    recipient = found.recipient
    if "@" in recipient or "%40" in recipient:
        recipient = sha256(recipient.encode("utf-8", "replace")).hexdigest()[:12]
    fields = found._replace(recipient=recipient, traceparent="")
    return {name: text for name, text in fields._asdict().items() if text}


_HEADERS = {
    "ce_id": "id",
    "ce_source": "source",
    "ce_traceparent": "traceparent",
}


def _fields(value: bytes | None) -> dict[str, Any]:
    try:
        fields = orjson.loads(value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name)
    return text[:256] if isinstance(text, str) else ""
