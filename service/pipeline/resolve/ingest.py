"""Ingest: parsing and validation of events from upstream services.

CloudEvents 1.0 in its Kafka binding's structured and binary mode, and bare JSON with the same fields:

1. Read attributes and data, whichever form they come in.
2. Find the notification type; a reserved type is a withdrawal.
3. Check the data against the type's documented fields.
4. Read our extensions, and check that the audience can be found.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Formatter
from typing import Any

from service.model.catalogue import AudienceRule, Catalogue, NotificationType
from service.model.event import WITHDRAW, Event, InvalidEvent, Withdrawal
from service.model.ids import event_key
from service.model.reasons import DeadReason
from service.pipeline.resolve import strict_json

Headers = Sequence[tuple[str, bytes]]

_CORE = frozenset(
    {
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "data",
        "data_base64",
        "datacontenttype",
        "dataschema",
    }
)
_SPELLINGS = {"externalid": "external_id", "projectid": "project_id", "supersedekey": "supersede_key"}
_EXTENSIONS = frozenset(
    {"recipients", "external_id", "project_id", "account", "actor", "expires", "supersede_key", *_SPELLINGS}
)
_KNOWN = _CORE | _EXTENSIONS
_JSON_TYPES = ("", "application/json", "text/json", "text/plain", "application/octet-stream")
_MAX_ATTRIBUTE = 1024
_USERS, _GROUP, _ACCOUNT = AudienceRule.users, AudienceRule.group, AudienceRule.account


def parse(
    value: bytes | None, headers: Headers, catalogue: Catalogue, received_ms: int
) -> Event | Withdrawal:
    """Return the event or withdrawal in a record or request. Raise InvalidEvent, and nothing else."""
    fields = _fields(value, {name.lower(): content for name, content in headers})
    data = fields.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidEvent(DeadReason.invalid_data, "data: must be an object")
    event_id, source, name = (_required(fields, attribute) for attribute in ("id", "source", "type"))
    notification_type = catalogue.get(name)
    if notification_type is None:
        if name.rpartition(".")[2] != WITHDRAW:
            raise InvalidEvent(DeadReason.unknown_type, ascii(name[:128]))
        return Withdrawal(
            key=event_key(source, event_id),
            id=event_id,
            source=source,
            time_ms=_time(fields, "time") or received_ms,
            received_ms=received_ms,
            extensions={name: fields[name] for name in fields.keys() - _KNOWN},
            **_withdrawn_target(data, source, catalogue),
        )
    if errors := catalogue.meta_errors(notification_type, data):
        raise InvalidEvent(DeadReason.invalid_data, errors)
    time_ms = _time(fields, "time") or received_ms
    extensions = _own_extensions(fields, data)
    actor_field = notification_type.actor_field
    event = Event(
        key=event_key(source, event_id),
        id=event_id,
        source=source,
        type=notification_type.name,
        time_ms=time_ms,
        received_ms=received_ms,
        data={k: v for k, v in data.items() if k != "recipients"} if "recipients" in data else data,
        recipients=_recipients(extensions.get("recipients"), notification_type, data),
        external_id=_text(extensions, "external_id"),
        project_id=_text(extensions, "project_id") or "",
        account=_text(extensions, "account") or None,
        actor=_text(extensions, "actor") or (data.get(actor_field) if actor_field else None),
        expires_ms=_time(extensions, "expires"),
        traceparent=fields["traceparent"] if isinstance(fields.get("traceparent"), str) else None,
        extensions={name: fields[name] for name in fields.keys() - _KNOWN},
        supersede=_text(extensions, "supersede_key") or None,
    )
    _check_audience(event, notification_type)
    return event


def _fields(value: bytes | None, headers: Mapping[str, bytes]) -> dict[str, Any]:
    """Return all attributes and data, whichever form they came in."""
    content_type = headers.get("content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if content_type.startswith("application/cloudevents") and content_type != "application/cloudevents+json":
        raise InvalidEvent(DeadReason.unsupported_content_type, ascii(content_type[:128]))
    binary = any(name.startswith("ce_") for name in headers)
    if binary and content_type != "application/cloudevents+json":
        if content_type not in _JSON_TYPES and not content_type.endswith("+json"):
            raise InvalidEvent(DeadReason.unsupported_content_type, ascii(content_type[:128]))
        fields: Any = {n[3:]: _header(n, c) for n, c in headers.items() if n.startswith("ce_")}
        fields["data"] = strict_json.loads(value) if value else None
    else:
        if not value:
            raise InvalidEvent(DeadReason.empty)
        fields = strict_json.loads(value)
        if not isinstance(fields, dict):
            raise InvalidEvent(DeadReason.not_an_object)
    if "traceparent" in headers:
        fields.setdefault("traceparent", _header("traceparent", headers["traceparent"]))
    if fields.get("specversion", "1.0") != "1.0":
        raise InvalidEvent(DeadReason.unsupported_specversion, ascii(str(fields["specversion"])[:32]))
    if "data_base64" in fields and "data" not in fields:
        fields["data"] = _base64(fields["data_base64"])
    return dict(fields)


def _header(name: str, content: bytes | None) -> str:
    try:
        return (content or b"").decode()
    except UnicodeDecodeError:
        raise InvalidEvent(DeadReason.invalid_utf8, f"header {name[:64]!a}") from None


def _base64(encoded: Any) -> Any:
    try:
        return strict_json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        if isinstance(error, InvalidEvent):
            raise
        raise InvalidEvent(DeadReason.invalid_attribute, "data_base64: not base64") from None


def _required(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise InvalidEvent(DeadReason.missing_attribute, name)
    return _clean(value, name)


def _clean(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_ATTRIBUTE or not value.isprintable():
        raise InvalidEvent(
            DeadReason.invalid_attribute,
            f"{name}: must be printable text of at most {_MAX_ATTRIBUTE} characters",
        )
    return value


def _withdrawn_target(data: Mapping[str, Any], source: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return what a withdrawal voids: `event`, or `supersede` with the seconds for which it is remembered."""
    if ("id" in data) == ("type" in data):
        raise InvalidEvent(DeadReason.invalid_withdrawal, "data: needs either an id or a type")
    if "id" in data:
        target_source = _nonempty(data.get("source", source), "source")
        return {"event": event_key(target_source, _nonempty(data["id"], "id"))}
    notification_type = catalogue.get(name := _nonempty(data["type"], "type"))
    if notification_type is None:
        raise InvalidEvent(DeadReason.unknown_type, ascii(name[:128]))
    if ("key" in data) == ("data" in data):
        raise InvalidEvent(DeadReason.invalid_withdrawal, "data: needs either a key or data, beside the type")
    if "key" in data:
        key = notification_type.supersede_key({}, _nonempty(_text(data, "key"), "key"))
    else:
        key = notification_type.supersede_key(_key_fields(notification_type, data["data"]))
    return {"supersede": key, "keep_s": notification_type.retention_s}


def _nonempty(value: Any, name: str) -> str:
    if not value:
        raise InvalidEvent(DeadReason.invalid_withdrawal, f"data.{name}: must not be empty")
    return _clean(value, f"data.{name}")


def _key_fields(notification_type: NotificationType, data: Any) -> Mapping[str, Any]:
    """Return the data that a type's supersede key is made of. Raise InvalidEvent unless all of it is there."""
    if notification_type.supersede is None:
        detail = f"{notification_type.name} has no supersede key of its own: name one by `key`"
        raise InvalidEvent(DeadReason.invalid_withdrawal, detail)
    for _, field, _, _ in Formatter().parse(notification_type.supersede):
        if field is not None and (not isinstance(data, dict) or data.get(field) is None):
            raise InvalidEvent(DeadReason.invalid_withdrawal, f"data.data.{field}: is required")
    return dict(data)


def _own_extensions(fields: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return our extensions. An attribute wins over one in the data, and `x_y` over `xy`."""
    extensions = {}
    for place in (data, fields):
        for name in sorted(place.keys() & _EXTENSIONS, reverse=True):  # the last one wins
            if place[name] is not None:
                extensions[_SPELLINGS.get(name, name)] = place[name]
    return extensions


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None if value is None else _clean(value, name)


def _time(fields: Mapping[str, Any], name: str) -> int | None:
    """Return an RFC 3339 time in milliseconds since the epoch; None when absent."""
    value = fields.get(name)
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return int(time.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidEvent(DeadReason.invalid_attribute, f"{name}: must be a time with its zone (RFC 3339)")


def _recipients(
    value: Any, notification_type: NotificationType, data: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """Return recipient ids in their order, each once. As text they are a JSON array or separated by commas."""
    if value is None:
        fields = [rule.field for rule in notification_type.audience]
        value = [data[field] for field in fields if field and data.get(field)] or None
    if isinstance(value, str):
        value = (
            strict_json.loads(value.encode())
            if value.startswith("[")
            else [v.strip() for v in value.split(",")]
        )
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(v, str) and v and len(v) <= 128 for v in value):
        raise InvalidEvent(
            DeadReason.invalid_attribute, "recipients: must be a list of ids of 1 to 128 characters"
        )
    return tuple(dict.fromkeys(_clean(v, "recipients") for v in value))


def _check_audience(event: Event, notification_type: NotificationType) -> None:
    for rule in notification_type.audience:
        if rule.kind is _USERS:
            present, name = event.recipients is not None, "recipients"
        elif rule.kind is _GROUP:
            present, name = bool(event.external_id), "external_id"
        elif rule.kind is _ACCOUNT:
            present, name = bool(event.account), "account"
        else:
            continue
        if not present:
            raise InvalidEvent(DeadReason.missing_audience, f"{name} is needed for {notification_type.name}")
