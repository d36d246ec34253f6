"""A record of any of our topics as operators see it: one shape, addresses masked, and what filters look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.cli.support.times import iso
from service.model.ids import event_key
from service.model.mask import HIDDEN, mask_name, mask_text, mask_value
from service.model.record import Record
from service.model.topics import TopicNames

_PERSONAL = ("name", "phone")
_DEAD = "tocsin-"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class RecordView:
    """`value` is the JSON in the record, or its text where it is none; `fields` what every kind of record may have."""

    record: Record
    headers: Mapping[str, str]
    value: Any
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """A field, or an empty text."""
        return next(iter(self.fields.get(name, ())), "")

    def document(self, *, personal: bool) -> dict[str, Any]:
        """The record for `--json`; without addresses, names and telephone numbers unless `personal`."""
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
        return document if personal else _without_persons(document)


def record_view(record: Record, topics: TopicNames) -> RecordView:
    """What is in a record. Nothing that a record may hold makes it fail."""
    headers = {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in record.headers}
    value = _value(record.value)
    told = value if isinstance(value, dict) else {}
    if record.topic == topics.dead_letter:
        fields = {**_event(told, headers), "reason": (headers.get(f"{_DEAD}reason", ""),), "state": ("dead",)}
    elif record.topic.startswith(f"{topics.prefix}tables."):
        fields = {"recipient": _texts(told.get("id") or told.get("uuid") or _key(record))}
    elif record.topic.startswith(f"{topics.prefix}dispatch."):
        fields = {
            name: _texts(told.get(name)) for name in ("type", "recipient", "channel", "state", "reason")
        }
        fields["event"] = _texts(told.get("event"), told.get("event_id"))
    else:
        fields = _event(told, headers)
    return RecordView(
        record, headers, value, {name: values for name, values in fields.items() if any(values)}
    )


def _event(told: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The fields of an event in any of its forms; it may be a wrong one."""
    lower = {name.lower(): value for name, value in headers.items()}
    attribute = {
        name: told.get(name) or lower.get(f"ce_{name}") for name in ("id", "source", "type", "recipients")
    }
    data = told.get("data")
    named = attribute["recipients"] or (data.get("recipients") if isinstance(data, dict) else None)
    if isinstance(named, str):
        named = (
            _value(named.encode()) if named.startswith("[") else [name.strip() for name in named.split(",")]
        )
    identity = _texts(attribute["id"])
    if identity and isinstance(attribute["source"], str):
        identity = (event_key(attribute["source"], identity[0]), *identity)
    return {
        "type": _texts(str(attribute["type"] or "").rpartition(".")[2], attribute["type"]),
        "event": identity,
        "recipient": _texts(*named) if isinstance(named, list) else (),
    }


def _value(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value.decode("utf-8", "backslashreplace")


def _texts(*values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str) and value)


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "backslashreplace")


def _without_persons(document: dict[str, Any]) -> dict[str, Any]:
    """Addresses go everywhere; names and telephone numbers where our own rows and deliveries have them."""
    hidden: dict[str, Any] = mask_value(document)
    value = hidden["value"]
    if isinstance(value, dict):
        for name in _PERSONAL:
            if isinstance(value.get(name), str):
                value[name] = mask_name(value[name])
        if "data_base64" in value:
            value["data_base64"] = HIDDEN  # what it hides cannot be masked
    return hidden


def view_line(sight: RecordView, topics: TopicNames, *, personal: bool) -> str:
    """The record in one line."""
    record, name = sight.record, sight.record.topic.removeprefix(topics.prefix).removeprefix("dispatch.")
    told = sight.value if isinstance(sight.value, dict) else {}
    if record.topic == topics.dead_letter:
        from_ = ":".join(
            sight.headers.get(f"{_DEAD}{part}", "?") for part in ("topic", "partition", "offset")
        )
        said = f"{sight.headers.get(f'{_DEAD}detail', '')} (from {from_}, by {sight.headers.get(f'{_DEAD}stage', '?')})"
    elif record.value is None:
        said = "deleted"
    else:
        answer, detail = " ".join(_texts(told.get("relay"), told.get("reply"))), told.get("detail")
        said = " ".join(_texts(None if detail == answer else detail, answer, told.get("address")))
    if not said and not sight.fields:
        said = str(sight.value)
    named = sight.fields.get("recipient", ())
    who = ",".join(named[:_NAMED]) + (f" and {len(named) - _NAMED} more" if len(named) > _NAMED else "")
    middle = (sight.first("type"), sight.first("channel"), who, sight.first("state"), sight.first("reason"))
    line = "  ".join(filter(None, (f"{name:<12}", *middle, said, sight.first("event"))))
    return f"{iso(record.timestamp_ms)[11:23]}  {line if personal else mask_text(line)}"
