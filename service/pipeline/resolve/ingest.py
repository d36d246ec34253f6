"""Ingest: bytes from an upstream service become a validated event, or a reason why not.

CloudEvents 1.0 in its Kafka binding's structured and binary mode, and bare JSON with the same fields.
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
    """The event, or the taking back of one, in a record or request. Raises InvalidEvent; nothing else."""
    fields = _fields(value, {name.lower(): content for name, content in headers})
    data = fields.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidEvent(DeadReason.invalid_data, "data: must be an object")
    event_id, source, name = (_required(fields, attribute) for attribute in ("id", "source", "type"))
    row = catalogue.get(name)
    if row is None:
        if name.rpartition(".")[2] != WITHDRAW:
            raise InvalidEvent(DeadReason.unknown_type, ascii(name[:128]))
        when_ms = _time(fields, "time") or received_ms
        return Withdrawal(
            key=event_key(source, event_id),
            id=event_id,
            source=source,
            time_ms=when_ms,
            received_ms=received_ms,
            extensions={name: fields[name] for name in fields.keys() - _KNOWN},
            **_withdrawn(data, source, catalogue),
        )
    if errors := catalogue.meta_errors(row, data):
        raise InvalidEvent(DeadReason.invalid_data, errors)
    time_ms = _time(fields, "time") or received_ms
    named = _extensions(fields, data)
    event = Event(
        key=event_key(source, event_id),
        id=event_id,
        source=source,
        type=row.name,
        time_ms=time_ms,
        received_ms=received_ms,
        data={k: v for k, v in data.items() if k != "recipients"} if "recipients" in data else data,
        recipients=_recipients(named.get("recipients"), row, data),
        external_id=_text(named, "external_id"),
        project_id=_text(named, "project_id") or "",
        account=_text(named, "account") or None,
        actor=_text(named, "actor") or (data.get(row.actor_field) if row.actor_field else None),
        expires_ms=_time(named, "expires"),
        traceparent=fields["traceparent"] if isinstance(fields.get("traceparent"), str) else None,
        extensions={name: fields[name] for name in fields.keys() - _KNOWN},
        supersede=_text(named, "supersede_key") or None,
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


def _withdrawn(data: Mapping[str, Any], source: str, catalogue: Catalogue) -> dict[str, Any]:
    """What a withdrawal takes back: `event`, or `supersede` with the time for which it is to be remembered."""
    if ("id" in data) == ("type" in data):
        raise InvalidEvent(DeadReason.invalid_withdrawal, "data: needs either an id or a type")
    if "id" in data:
        return {"event": event_key(_target(data.get("source", source), "source"), _target(data["id"], "id"))}
    row = catalogue.get(name := _target(data["type"], "type"))
    if row is None:
        raise InvalidEvent(DeadReason.unknown_type, ascii(name[:128]))
    if ("key" in data) == ("data" in data):
        raise InvalidEvent(DeadReason.invalid_withdrawal, "data: needs either a key or data, beside the type")
    if "key" in data:
        key = row.supersede_key({}, _target(_text(data, "key"), "key"))
    else:
        key = row.supersede_key(_key_fields(row, data["data"]))
    return {"supersede": key, "keep_s": row.retention}


def _target(value: Any, name: str) -> str:
    if not value:
        raise InvalidEvent(DeadReason.invalid_withdrawal, f"data.{name}: must not be empty")
    return _clean(value, f"data.{name}")


def _key_fields(row: NotificationType, data: Any) -> Mapping[str, Any]:
    """The data that a type's supersede key is made of, all of it."""
    if row.supersede is None:
        detail = f"{row.name} has no supersede key of its own: name one by `key`"
        raise InvalidEvent(DeadReason.invalid_withdrawal, detail)
    for _, hole, _, _ in Formatter().parse(row.supersede):
        if hole is not None and (not isinstance(data, dict) or data.get(hole) is None):
            raise InvalidEvent(DeadReason.invalid_withdrawal, f"data.data.{hole}: must be given")
    return dict(data)


def _extensions(fields: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Our extensions: an attribute before one in the data, `x_y` before `xy`."""
    named = {}
    for place in (data, fields):
        for name in sorted(place.keys() & _EXTENSIONS, reverse=True):  # what comes last stays
            if place[name] is not None:
                named[_SPELLINGS.get(name, name)] = place[name]
    return named


def _text(named: Mapping[str, Any], name: str) -> str | None:
    value = named.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None if value is None else _clean(value, name)


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
    for rule in row.audience:
        if rule.kind is _USERS:
            given, name = event.recipients is not None, "recipients"
        elif rule.kind is _GROUP:
            given, name = bool(event.external_id), "external_id"
        elif rule.kind is _ACCOUNT:
            given, name = bool(event.account), "account"
        else:
            continue
        if not given:
            raise InvalidEvent(DeadReason.missing_audience, f"{name} is needed for {row.name}")
