"""Operators' view of a record of any topic: one shape, addresses masked, and the fields that filters compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.cli.support.times import iso
from service.model.ids import event_key
from service.model.mask import HIDDEN, mask_name, mask_value
from service.model.record import Record
from service.model.topics import TopicNames

_PERSONAL_FIELDS = ("name", "phone")
_HEADER_PREFIX = "tocsin-"


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record. `value`: its JSON, or its text where it is not JSON. `fields`: common to all kinds of records."""

    record: Record
    headers: Mapping[str, str]
    value: Any
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """Return the first value of a field, or an empty string."""
        return next(iter(self.fields.get(name, ())), "")

    def document(self, *, personal: bool) -> dict[str, Any]:
        """Return the record for `--json`; addresses, names and telephone numbers are masked unless `personal`."""
        record = self.record
        document = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "time": iso(record.timestamp_ms),
            "key": None if record.key is None else record.key.decode("utf-8", "backslashreplace"),
            **{
                name: self.first(name)
                for name in ("type", "recipient", "channel", "state", "reason", "event")
            },
            "headers": dict(self.headers),
            "value": self.value,
        }
        return document if personal else _masked(document)


def record_view(record: Record, topics: TopicNames) -> RecordView:
    """Return the view of a record. Accept any bytes."""
    headers = {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in record.headers}
    value = printable_value(record.value)
    body = value if isinstance(value, dict) else {}
    if record.topic == topics.dead_letter:
        reason = headers.get(f"{_HEADER_PREFIX}reason", "")
        fields = {**_event_fields(body, headers), "reason": (reason,), "state": ("dead",)}
    elif record.topic.startswith(f"{topics.prefix}tables."):
        fields = {"recipient": texts(body.get("id") or body.get("uuid") or _key(record))}
    elif record.topic.startswith(f"{topics.prefix}dispatch."):
        fields = {name: texts(body.get(name)) for name in ("type", "recipient", "channel", "state", "reason")}
        fields["event"] = texts(body.get("event"), body.get("event_id"))
        if record.topic in topics.dispatches() and not (body.get("attempt") or body.get("replayed_ms")):
            fields["state"] = ("queued",)  # the record itself says so, and no outcome repeats it
    else:
        fields = _event_fields(body, headers)
    return RecordView(
        record, headers, value, {name: values for name, values in fields.items() if any(values)}
    )


def _event_fields(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the fields of an event: structured, binary or bare, valid or not."""
    lower = {name.lower(): value for name, value in headers.items()}
    attribute = {
        name: body.get(name) or lower.get(f"ce_{name}") for name in ("id", "source", "type", "recipients")
    }
    data = body.get("data")
    recipients = attribute["recipients"] or (data.get("recipients") if isinstance(data, dict) else None)
    if isinstance(recipients, str):
        recipients = (
            printable_value(recipients.encode())
            if recipients.startswith("[")
            else [name.strip() for name in recipients.split(",")]
        )
    identity = texts(attribute["id"])
    if identity and isinstance(attribute["source"], str):
        identity = (event_key(attribute["source"], identity[0]), *identity)
    return {
        "type": texts(str(attribute["type"] or "").rpartition(".")[2], attribute["type"]),
        "event": identity,
        "recipient": texts(*recipients) if isinstance(recipients, list) else (),
    }


def printable_value(value: bytes | None) -> Any:
    """Return a record's JSON; its text where it is not JSON, or nested too deeply to be printed in a document."""
    if value is None:
        return None
    try:
        document = orjson.loads(value)
        orjson.dumps([[[[document]]]])  # the printer allows fewer levels than the parser
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return value.decode("utf-8", "backslashreplace")
    return document


def texts(*values: Any) -> tuple[str, ...]:
    """Return those of the values that are texts and not empty."""
    return tuple(value for value in values if isinstance(value, str) and value)


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "backslashreplace")


def _masked(document: dict[str, Any]) -> dict[str, Any]:
    """Mask addresses in the whole document, and names and telephone numbers in fields of our rows and deliveries."""
    masked: dict[str, Any] = mask_value(document)
    value = masked["value"]
    if isinstance(value, dict):
        for name in _PERSONAL_FIELDS:
            if isinstance(value.get(name), str):
                value[name] = mask_name(value[name])
        if "data_base64" in value:
            value["data_base64"] = HIDDEN  # an address in base64 is not recognized, so all of it is hidden
    return masked
