"""Ids of a record from Kafka, read without validation for logs and traces: a bad record must not break either."""

from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from service.model.record import Headers


class RecordIds(NamedTuple):
    """The ids in a record, empty where it has none. `event_id` and `source` are those of the upstream service."""

    event_id: str = ""
    source: str = ""
    delivery: str = ""
    recipient: str = ""
    traceparent: str = ""

    def log_fields(self) -> dict[str, str]:
        """Return the ids as fields of a log event; a recipient id that may be an address as a digest."""
        recipient = self.recipient
        if "@" in recipient or "%40" in recipient:
            recipient = sha256(recipient.encode("utf-8", "replace")).hexdigest()[:12]
        fields = self._replace(recipient=recipient, traceparent="")._asdict()
        return {name: text for name, text in fields.items() if text}


def record_ids(value: bytes | None, headers: Headers) -> RecordIds:
    """Return the ids of an event in any of its forms, of a delivery, or of an outcome. Never raise."""
    texts = {name.lower(): (content or b"").decode("utf-8", "replace") for name, content in headers}
    binary = "ce_id" in texts and not texts.get("content-type", "").startswith("application/cloudevents")
    fields = {} if binary else _fields(value)
    for name in _HEADERS.keys() & texts.keys():
        fields.setdefault(_HEADERS[name], texts[name])
    fields.setdefault("traceparent", texts.get("traceparent"))
    ours = "event_id" in fields  # a delivery or an outcome, whose `id` is its own
    return RecordIds(
        event_id=_text(fields, "event_id" if ours else "id"),
        source=_text(fields, "source"),
        delivery=_text(fields, "delivery") or _text(fields, "id") if ours else "",
        recipient=_text(fields, "recipient") if ours else "",
        traceparent=_text(fields, "traceparent"),
    )


_MAX_BYTES = 1024 * 1024
"""A larger value is not parsed: it belongs to no record that is processed."""
_HEADERS = {
    "ce_id": "id",
    "ce_source": "source",
    "ce_traceparent": "traceparent",
}


def _fields(value: bytes | None) -> dict[str, Any]:
    if value is not None and len(value) > _MAX_BYTES:
        return {}
    try:
        fields = orjson.loads(value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name)
    return text[:256] if isinstance(text, str) else ""
