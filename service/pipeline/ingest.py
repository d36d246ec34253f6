"""Ingest: bytes from an upstream service become a validated event, or a reason why not.

CloudEvents 1.0 in its Kafka binding's structured and binary mode, and bare JSON with the same fields.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.model.catalogue import AudienceKind, Catalogue, NotificationType
from service.model.event import DeadReason, Event, InvalidEvent
from service.model.ids import event_key
from service.pipeline import strict_json

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
_AUDIENCE = frozenset(
    {"recipients", "external_id", "externalid", "project_id", "projectid", "account", "actor", "expires"}
)
_JSON_TYPES = ("", "application/json", "text/json", "text/plain", "application/octet-stream")
_MAX_ATTRIBUTE = 1024


def parse(value: bytes | None, headers: Headers, catalogue: Catalogue, received_ms: int) -> Event:
    """The event in a record or request. Raises InvalidEvent; nothing else."""
    fields = _fields(value, {name.lower(): content for name, content in headers})
    data = fields.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidEvent(DeadReason.invalid_data, "data: must be an object")
    event_id, source, name = (_required(fields, attribute) for attribute in ("id", "source", "type"))
    row = catalogue.get(name)
    if row is None:
        raise InvalidEvent(DeadReason.unknown_type, ascii(name[:128]))
    if errors := catalogue.meta_errors(row, data):
        raise InvalidEvent(DeadReason.invalid_data, errors)
    time_ms = _time(fields, "time") or received_ms
    event = Event(
        key=event_key(source, event_id),
        id=event_id,
        source=source,
        type=row.name,
        time_ms=time_ms,
        received_ms=received_ms,
        data={k: v for k, v in data.items() if k != "recipients"} if "recipients" in data else data,
        recipients=_recipients(_either(fields, data, "recipients"), row, data),
        external_id=_text(fields, data, "external_id", "externalid"),
        project_id=_text(fields, data, "project_id", "projectid") or "",
        account=_text(fields, data, "account") or None,
        actor=_text(fields, data, "actor") or (data.get(row.actor_field) if row.actor_field else None),
        expires_ms=_time({"expires": _either(fields, data, "expires")}, "expires"),
        traceparent=fields["traceparent"] if isinstance(fields.get("traceparent"), str) else None,
        extensions={k: v for k, v in fields.items() if k not in _CORE and k not in _AUDIENCE},
    )
    _check_audience(event, row)
    return event


def _fields(value: bytes | None, headers: Mapping[str, bytes]) -> dict[str, Any]:
    """All attributes and data, whatever form they came in."""
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
        raise InvalidEvent(DeadReason.invalid_utf8, f"header {ascii(name[:64])}") from None


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


def _either(fields: Mapping[str, Any], data: Mapping[str, Any], *names: str) -> Any:
    """An extension by any of its spellings: as an attribute first, else in the data."""
    for place in (fields, data):
        for name in names:
            if place.get(name) is not None:
                return place[name]
    return None


def _text(fields: Mapping[str, Any], data: Mapping[str, Any], *names: str) -> str | None:
    value = _either(fields, data, *names)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None if value is None else _clean(value, names[0])


def _time(fields: Mapping[str, Any], name: str) -> int | None:
    """RFC 3339 to milliseconds; None when absent."""
    value = fields.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidEvent(DeadReason.invalid_attribute, f"{name}: must be a time with its zone (RFC 3339)")


def _recipients(value: Any, row: NotificationType, data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Ids in their order, each once. As text they are a JSON array or separated by commas."""
    if value is None:
        named = [data[a.field] for a in row.audience if a.field and data.get(a.field)]
        value = named or None
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


def _check_audience(event: Event, row: NotificationType) -> None:
    for kind, given, names in (
        (AudienceKind.users, event.recipients is not None, "recipients"),
        (AudienceKind.group, bool(event.external_id), "external_id"),
        (AudienceKind.account, bool(event.account), "account"),
    ):
        if row.needs(kind) and not given:
            raise InvalidEvent(DeadReason.missing_audience, f"{names} is needed for {row.name}")
