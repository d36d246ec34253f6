"""Ingest: parsing and validation of events from upstream services.

1. Read attributes and data, whichever form they come in (`cloud_event`).
2. Find the notification type; a reserved type is a withdrawal.
3. Check the data against the type's documented fields.
4. Read our extensions, and check that the audience can be found.
"""

import re
from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType
from typing import Any

from service.model.catalogue import MAX_DELIVER_AHEAD_S, AudienceRule, Catalogue, NotificationType
from service.model.event import DEFAULT_BOUND, WITHDRAW, ClockBound, Event, InvalidEvent, Withdrawal
from service.model.ids import event_key
from service.model.reasons import DeadReason
from service.model.record import Headers
from service.model.validators import is_text, nearest_time_ms, time_ms
from service.pipeline.resolve import strict_json
from service.pipeline.resolve.cloud_event import read_event
from service.pipeline.resolve.event_time import event_times, receipt_ms

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
_SPELLINGS = {
    "externalid": "external_id",
    "projectid": "project_id",
    "supersedekey": "supersede_key",
    "expirytime": "expires",  # the CloudEvents extension of that name
}
_EXTENSIONS = frozenset(
    {
        "recipients",
        "external_id",
        "project_id",
        "account",
        "actor",
        "expires",
        "deliverat",
        "supersede_key",
        *_SPELLINGS,
    }
)
_KNOWN = _CORE | _EXTENSIONS
_NO_EXTENSIONS: Mapping[str, Any] = MappingProxyType({})
_MAX_ATTRIBUTE = 1024
MAX_RECIPIENTS = 20_000
"""Recipients that one event may name."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{0,200})?")
_OPTIONAL = frozenset({"subject", "datacontenttype", "dataschema", "partitionkey"})
_USERS, _GROUP, _ACCOUNT = AudienceRule.users, AudienceRule.group, AudienceRule.account


def parse(
    value: bytes | None,
    headers: Headers,
    catalogue: Catalogue,
    timestamp_ms: int,
    *,
    now_ms: int | None = None,
    bound: ClockBound = DEFAULT_BOUND,
) -> Event | Withdrawal:
    """Return the event or withdrawal in a record or request. Raise InvalidEvent, and nothing else.

    `timestamp_ms` is the record's, or that of the request. `now_ms`: the clock's, where the record's may be wrong.
    """
    fields = read_event(value, headers)
    if not isinstance(data := fields.get("data", {}), dict):
        raise InvalidEvent(DeadReason.invalid_data, "data: must be an object")
    event_id, source, name = (_required(fields, attribute) for attribute in ("id", "source", "type"))
    _check_optional(fields)
    own_ms = _time(fields, "time")
    received_ms = receipt_ms(timestamp_ms, own_ms, now_ms)
    at_ms, stated_ms = event_times(own_ms, received_ms, bound)
    notification_type = catalogue.get(name)
    if notification_type is None:
        if name.rpartition(".")[2] != WITHDRAW:
            raise InvalidEvent(DeadReason.unknown_type, ascii(name[:128]))
        return Withdrawal(
            key=event_key(source, event_id),
            id=event_id,
            source=source,
            time_ms=at_ms,
            received_ms=received_ms,
            extensions=_others(fields),
            **_withdrawn_target(data, source, catalogue),
        )
    if errors := catalogue.meta_errors(notification_type, data):
        raise InvalidEvent(DeadReason.invalid_data, errors)
    extensions = _own_extensions(fields, data)
    actor_field = notification_type.actor_field
    event = Event(
        key=event_key(source, event_id),
        id=event_id,
        source=source,
        type=notification_type.name,
        time_ms=at_ms,
        received_ms=received_ms,
        data={k: v for k, v in data.items() if k != "recipients"} if "recipients" in data else data,
        recipients=_recipients(extensions.get("recipients"), notification_type, data),
        external_id=_text(extensions, "external_id"),
        project_id=_text(extensions, "project_id") or "",
        account=_text(extensions, "account") or None,
        actor=_text(extensions, "actor") or (data.get(actor_field) if actor_field else None),
        expires_ms=_expires_ms(extensions),
        traceparent=_traceparent(fields),
        extensions=_others(fields),
        supersede=_text(extensions, "supersede_key") or None,
        stated_ms=stated_ms,
        deliver_ms=_deliver_ms(extensions, received_ms) if "deliverat" in extensions else 0,
    )
    _check_audience(event, notification_type)
    return event


def _others(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the extensions of others."""
    if _KNOWN.issuperset(fields):
        return _NO_EXTENSIONS
    return {name: fields[name] for name in fields.keys() - _KNOWN}


def _required(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise InvalidEvent(DeadReason.missing_attribute, name)
    return _clean(value, name)


def _clean(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_ATTRIBUTE or not is_text(value):
        raise InvalidEvent(
            DeadReason.invalid_attribute,
            f"{name}: must be text of at most {_MAX_ATTRIBUTE} characters without control characters",
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
    return {"supersede": key, "keep_s": notification_type.kept_s}


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
    extensions: dict[str, Any] = {}
    for place in (data, fields):
        if _EXTENSIONS.isdisjoint(place):
            continue
        for name in sorted(place.keys() & _EXTENSIONS, reverse=True):  # the last one wins
            if place[name] is not None:
                extensions[_SPELLINGS.get(name, name)] = place[name]
    return extensions


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _clean(value, name)


def _time(fields: Mapping[str, Any], name: str) -> int | None:
    """Return an RFC 3339 time in milliseconds since the epoch; None when absent."""
    value = fields.get(name)
    try:
        return None if value is None else time_ms(value)
    except ValueError as error:
        raise InvalidEvent(DeadReason.invalid_attribute, f"{name}: {error}") from None


def _expires_ms(extensions: Mapping[str, Any]) -> int | None:
    """Return the deadline in milliseconds; one that is out of bounds is the nearest that can be shown."""
    value = extensions.get("expires")
    try:
        return None if value is None else nearest_time_ms(value)
    except ValueError as error:
        raise InvalidEvent(DeadReason.invalid_attribute, f"expires: {error}") from None


def _deliver_ms(extensions: Mapping[str, Any], received_ms: int) -> int:
    """Return when the event says that it is delivered (ms), not before its receipt; 0 where it does not say."""
    at_ms = _time(extensions, "deliverat")
    if at_ms is None:
        return 0
    if at_ms - received_ms > MAX_DELIVER_AHEAD_S * 1000:
        days = MAX_DELIVER_AHEAD_S // 86_400
        raise InvalidEvent(DeadReason.invalid_attribute, f"deliverat: is more than {days} days ahead")
    return max(at_ms, received_ms)


def _traceparent(fields: Mapping[str, Any]) -> str | None:
    """Return the trace context; None where it is not well-formed, which W3C Trace Context tells a reader to ignore."""
    value = fields.get("traceparent")
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def _check_optional(fields: Mapping[str, Any]) -> None:
    """Raise InvalidEvent unless the attributes that resolve does not use are non-empty text, as CloudEvents has it."""
    for name in _OPTIONAL & fields.keys():
        if not _clean(fields[name], name):
            raise InvalidEvent(DeadReason.invalid_attribute, f"{name}: must not be empty")


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
    recipients = tuple(dict.fromkeys(_clean(v, "recipients") for v in value))
    if len(recipients) > MAX_RECIPIENTS:
        raise InvalidEvent(DeadReason.invalid_attribute, f"recipients: more than {MAX_RECIPIENTS}")
    return recipients


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
