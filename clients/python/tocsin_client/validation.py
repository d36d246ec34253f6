"""Validation of events before they are sent: the service's checks, in its order, with its reasons.

`clients/README.md` has the list, `clients/vectors.json` the events that hold both to each other.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from tocsin_client.errors import InvalidEvent, Reason
from tocsin_client.event import Event, Withdraw
from tocsin_client.event_type import DataField, EventType
from tocsin_client.values import check_any_time, check_json, is_empty, is_text, present, time_ms

MAX_BYTES = 256 * 1024
_MAX_ATTRIBUTES = 256
_MAX_TEXT = 1024
_MAX_DATA_TEXT, _MAX_TIME_TEXT = 10_000, 40
_CLASSES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "list": (list,),
}
_MAX_RECIPIENTS = 20_000
_MAX_AHEAD_MS = 366 * 86_400_000
_WITHDRAW = "withdraw"
_NAME = re.compile(r"[a-z0-9]{1,128}")
_UNDERSCORED = {"externalid": "external_id", "projectid": "project_id", "supersedekey": "supersede_key"}
_SPELLINGS = {**_UNDERSCORED, "expirytime": "expires"}
_TEXTS = ("external_id", "project_id", "account", "actor", "supersede_key")
_EXTENSIONS = frozenset(("recipients", "expires", "deliverat", *_TEXTS, *_SPELLINGS))


def validate(event: Event) -> None:
    """Raise InvalidEvent for an event that the service would refuse, with its reason."""
    types = {event.type: event.declared}
    if isinstance(event, Withdraw) and event.target:
        types[event.target.name] = event.target
    validate_fields(event.fields(), types, int(time.time() * 1000))


def validate_fields(fields: Mapping[str, Any], types: Mapping[str, EventType], now_ms: int) -> None:
    """Raise InvalidEvent for an event in structured form. `now_ms`: the time at which it is sent."""
    fields = present(fields)
    check_json(fields)
    if len(json.dumps(fields)) > MAX_BYTES:
        raise InvalidEvent(Reason.too_large, f"more than {MAX_BYTES} bytes")
    _check_attributes(fields)
    data = fields.get("data", {})
    if not isinstance(data, dict):
        raise InvalidEvent(Reason.invalid_data, "data: must be an object")
    source, name = _check_required(fields)
    for optional in ("subject", "datacontenttype", "dataschema", "partitionkey"):
        if optional in fields and not _clean(fields[optional], optional):
            raise InvalidEvent(Reason.invalid_attribute, f"{optional}: must not be empty")
    _check_time(fields, "time", time_ms)
    declared = _find(name, types)
    if declared is None or declared.name == _WITHDRAW:
        if name.rpartition(".")[2] != _WITHDRAW:
            raise InvalidEvent(Reason.unknown_type, ascii(name[:128]))
        _check_target(data, source, types)
        return
    _check_data(data, declared)
    _check_extensions(_extensions(fields, data), declared, data, now_ms)


def _check_attributes(fields: Mapping[str, Any]) -> None:
    if len(fields) > _MAX_ATTRIBUTES:
        raise InvalidEvent(Reason.invalid_attribute, f"more than {_MAX_ATTRIBUTES} attributes")
    for name, value in fields.items():
        if name == "data":
            continue
        if name not in _UNDERSCORED.values() and not _NAME.fullmatch(name):
            raise InvalidEvent(Reason.invalid_attribute, f"{name[:64]!a}: a name has only a-z and 0-9")
        if isinstance(value, dict) or (isinstance(value, list) and name != "recipients"):
            raise InvalidEvent(Reason.invalid_attribute, f"{name[:64]}: cannot be an object or array")


def _check_required(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return source and type."""
    texts = []
    for name in ("id", "source", "type"):
        if is_empty(fields.get(name)):
            raise InvalidEvent(Reason.missing_attribute, name)
        texts.append(_clean(fields[name], name))
    return texts[1], texts[2]


def _clean(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not is_text(value):
        raise InvalidEvent(
            Reason.invalid_attribute,
            f"{name}: must be text of at most {_MAX_TEXT} characters without control characters",
        )
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    """Return an attribute that may be an integer as text; empty where it is unset."""
    value = fields.get(name)
    if value is None:
        return ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _clean(value, name)


def _check_time(fields: Mapping[str, Any], name: str, check: Callable[[object], object]) -> None:
    if name in fields:
        try:
            check(fields[name])
        except ValueError as error:
            raise InvalidEvent(Reason.invalid_attribute, f"{name}: {error}") from None


def _find(name: str, types: Mapping[str, EventType]) -> EventType | None:
    return types.get(name) or types.get(name.rpartition(".")[2])


def _check_target(data: Mapping[str, Any], source: str, types: Mapping[str, EventType]) -> None:
    """Raise InvalidEvent unless it is clear what a withdrawal withdraws."""
    if ("id" in data) == ("type" in data):
        raise InvalidEvent(Reason.invalid_withdrawal, "data: needs either an id or a type")
    if "id" in data:
        _check_named(data.get("source", source), "source")
        _check_named(data["id"], "id")
        return
    _check_named(data["type"], "type")
    declared = _find(data["type"], types)
    if declared is None:
        raise InvalidEvent(Reason.unknown_type, ascii(data["type"][:128]))
    if ("key" in data) == ("data" in data):
        raise InvalidEvent(Reason.invalid_withdrawal, "data: needs either a key or data, beside the type")
    if "key" in data:
        _check_named(_text(data, "key"), "key")
        return
    if declared.supersede is None:
        detail = f"{declared.name} has no supersede key of its own: name one by `key`"
        raise InvalidEvent(Reason.invalid_withdrawal, detail)
    of_events = data["data"]
    for name in declared.supersede_fields:
        if not isinstance(of_events, dict) or of_events.get(name) is None:
            raise InvalidEvent(Reason.invalid_withdrawal, f"data.data.{name}: is required")


def _check_named(value: Any, name: str) -> None:
    if not value:
        raise InvalidEvent(Reason.invalid_withdrawal, f"data.{name}: must not be empty")
    _clean(value, f"data.{name}")


def _check_data(data: Mapping[str, Any], declared: EventType) -> None:
    for field in declared.fields:
        value = data.get(field.name)
        if value is None and not field.required:
            continue
        if value is None or not _has_type(value, field):
            detail = "is required" if field.name not in data else f"must be of the type {field.type}"
            raise InvalidEvent(Reason.invalid_data, f"{field.name}: {detail}")


def _has_type(value: Any, field: DataField) -> bool:
    if isinstance(value, bool):
        return field.type == "boolean"
    if isinstance(value, str):
        is_time = field.type == "datetime" and len(value) <= _MAX_TIME_TEXT and _is_time(value)
        return is_time or (field.type == "string" and len(value) <= _MAX_DATA_TEXT)
    return isinstance(value, _CLASSES.get(field.type, ()))


def _is_time(text: str) -> bool:
    try:
        time_ms(text)
    except ValueError:
        return False
    return True


def _extensions(fields: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return our extensions. An attribute wins over one in the data, and `x_y` over `xy`."""
    extensions: dict[str, Any] = {}
    for place in (data, fields):
        for name in sorted(place.keys() & _EXTENSIONS, reverse=True):
            if place[name] is not None:
                extensions[_SPELLINGS.get(name, name)] = place[name]
    return extensions


def _check_extensions(
    extensions: Mapping[str, Any], declared: EventType, data: Mapping[str, Any], now_ms: int
) -> None:
    recipients = extensions.get("recipients")
    if recipients is None:
        recipients = [data[name] for name in declared.recipient_fields if data.get(name)] or None
    if recipients is not None:
        _check_recipients(recipients)
    for name in _TEXTS:
        _text(extensions, name)
    _check_time(extensions, "expires", check_any_time)
    _check_time(extensions, "deliverat", time_ms)
    if "deliverat" in extensions and time_ms(extensions["deliverat"]) - now_ms > _MAX_AHEAD_MS:
        raise InvalidEvent(Reason.invalid_attribute, "deliverat: is more than 366 days ahead")
    there = {**extensions, "recipients": recipients}
    for name in declared.needs:
        if there.get(name) is None or (name != "recipients" and there[name] == ""):
            raise InvalidEvent(Reason.missing_audience, f"{name} is needed for {declared.name}")


def _check_recipients(value: Any) -> None:
    """Raise InvalidEvent unless these are recipient ids; as text they are a JSON array or separated by commas."""
    if isinstance(value, str):
        value = _listed(value)
    if not isinstance(value, list) or not all(isinstance(v, str) and v and len(v) <= 128 for v in value):
        raise InvalidEvent(
            Reason.invalid_attribute, "recipients: must be a list of ids of 1 to 128 characters"
        )
    for recipient in value:
        _clean(recipient, "recipients")
    if len(set(value)) > _MAX_RECIPIENTS:
        raise InvalidEvent(Reason.invalid_attribute, f"recipients: more than {_MAX_RECIPIENTS}")


def _listed(text: str) -> Any:
    if not text.startswith("["):
        return [part.strip() for part in text.split(",")]
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidEvent(Reason.invalid_json, f"recipients: {error}") from None
