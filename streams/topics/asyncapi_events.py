"""Events of upstream services as JSON Schema: the envelope, and a message for every notification type.

The schemas follow `service.pipeline.resolve.ingest`, which checks more than JSON Schema can express (printable text,
duplicate keys, size): every event that ingest accepts is valid here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from service.model.catalogue import Audience, AudienceRule, Catalogue, NotificationType
from service.model.event import WITHDRAW

Schema = dict[str, Any]
SCHEMAS = "#/components/schemas/"
_EXAMPLE = {"specversion": "1.0", "id": "4711", "source": "/samples"}
_NAMED = {"type": "string", "minLength": 1, "maxLength": 1024}
_TEXT = {"type": ["string", "integer", "null"], "maxLength": 1024}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_ID = {"type": "string", "minLength": 1, "maxLength": 128}
_SPELLINGS = {
    "external_id": ("external_id", "externalid"),
    "account": ("account",),
}
_OPTIONAL: Schema = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 1024,
    "description": "Not used.",
}
EXTENSIONS: Mapping[str, Schema] = {
    "recipients": {
        "description": "Ids of the recipients; as text a JSON array, or separated by commas.",
        "anyOf": [{"type": "array", "items": _ID}, {"type": ["string", "null"]}],
    },
    "external_id": _TEXT | {"description": "The group whose list is used."},
    "project_id": _TEXT | {"description": "The group whose list is used."},
    "account": _TEXT | {"description": "The account whose contacts are notified."},
    "actor": _TEXT | {"description": "Id of the user who caused the event, and is not notified of it."},
    "deliverat": _TIME | {"description": "The event is not delivered before this time."},
    "expires": _TIME | {"description": "The event is void after this time."},
    "expirytime": _TIME | {"description": "The same, as the CloudEvents extension names it."},
    "supersede_key": _TEXT | {"description": "In place of the type's own supersede key."},
    "externalid": _TEXT,
    "projectid": _TEXT,
    "supersedekey": _TEXT,
}
"""Attributes, or fields of `data`; an attribute takes precedence over a field."""
ENVELOPE: Schema = {
    "description": "CloudEvents 1.0 in structured mode, or bare JSON with the same fields. Other fields are kept.",
    "type": "object",
    "required": ["id", "source", "type"],
    "properties": {
        "specversion": {"enum": ["1.0", None]},
        "id": _NAMED
        | {"description": "Unique together with `source`: the same pair again has no second effect."},
        "source": _NAMED,
        "type": _NAMED | {"description": "A notification type, with or without a reverse-DNS prefix."},
        "time": _TIME | {"description": "Time of the event; the record's time where it is absent."},
        "data": {"type": ["object", "null"]},
        "data_base64": {"type": ["string", "null"], "description": "`data` as base64, instead of `data`."},
        "subject": _OPTIONAL,
        "datacontenttype": _OPTIONAL | {"description": "The data is JSON, or text that holds JSON."},
        "dataschema": _OPTIONAL,
        "traceparent": {"description": "W3C trace context."},
        **EXTENSIONS,
    },
}
_BINARY: Schema = {
    "type": "object",
    "required": ["ce_id", "ce_source", "ce_type"],
    "properties": {
        f"ce_{name}": {"type": "string"}
        for name in ("specversion", "id", "source", "type", "time", *EXTENSIONS)
    },
}
_TARGET: Schema = {
    "type": "object",
    "oneOf": [
        {"required": ["id"], "properties": {"id": _NAMED, "source": _NAMED}},
        {"required": ["type", "data"], "properties": {"type": _NAMED, "data": {"type": "object"}}},
        {"required": ["type", "key"], "properties": {"type": _NAMED, "key": {"type": ["string", "integer"]}}},
    ],
}


def event_schemas(catalogue: Catalogue) -> dict[str, Schema]:
    """Return the envelope and one schema for each type, by name; those of the data come from `data_models`."""
    types = {f"Event_{type_.name}": _event(type_) for type_ in catalogue}
    withdrawal = _typed(WITHDRAW, [_present("data")], {"$ref": f"{SCHEMAS}Withdraw"})
    return {"CloudEvent": ENVELOPE, "Withdraw": _TARGET, f"Event_{WITHDRAW}": withdrawal, **types}


def data_models(catalogue: Catalogue) -> Iterable[type[BaseModel]]:
    """Return the models that validate `data`."""
    return (type_.meta_model() for type_ in catalogue)


def described(type_: NotificationType, schema: Schema) -> Schema:
    """Return the schema of a type's data with the catalogue's description of each field."""
    for name, field in type_.meta.items():
        property_ = schema["properties"][name]
        if field.description:
            property_["description"] = field.description
        if field.type == "datetime":
            property_["format"] = "date-time"
    return schema | {"title": f"Data of {type_.name}"}


def event_messages(catalogue: Catalogue) -> dict[str, Schema]:
    """Return a message for every type, one for withdrawals, and one for binary mode."""
    messages = {t.name: _message(t.name, t.title, t.description, t.sample) for t in catalogue}
    description = "Withdraws an event by its id, or all events of a supersede key."
    target = {"data": {"id": "4711", "source": "/auctions"}}
    messages[WITHDRAW] = _message(WITHDRAW, "Withdraw", description, target)
    messages["binary"] = {
        "title": "Any of them, in binary mode",
        "description": "Attributes as headers, `data` as the value.",
        "contentType": "application/json",
        "headers": _BINARY,
        "payload": {"type": ["object", "null"]},
    }
    return messages


def _message(name: str, title: str, description: str, sample: Mapping[str, Any]) -> Schema:
    return {
        "name": name,
        "title": title,
        "description": description,
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"{SCHEMAS}Event_{name}"},
        "examples": [{"name": "sample", "payload": {**_EXAMPLE, "type": name, **sample}}],
    }


def _event(type_: NotificationType) -> Schema:
    data = {"$ref": f"{SCHEMAS}Meta_{type_.name}"}
    needs = [_names_audience(rule, type_) for rule in type_.audience if rule.kind is not AudienceRule.role]
    if any(field.required for field in type_.meta.values()):
        return _typed(type_.name, [{"anyOf": [_present("data"), _present("data_base64")]}, *needs], data)
    return _typed(type_.name, needs, {"anyOf": [data, {"type": "null"}]})


def _typed(name: str, needs: list[Schema], data: Schema) -> Schema:
    named = {"properties": {"type": {"pattern": rf"(^|\.){name}$"}, "data": data}}
    return {"allOf": [{"$ref": f"{SCHEMAS}CloudEvent"}, named, *needs]}


def _names_audience(rule: Audience, type_: NotificationType) -> Schema:
    """Return the schema of an event that names the audience of a rule. A schema cannot look into `data_base64`."""
    if rule.kind is AudienceRule.users:
        ways = [_present("recipients", None), _present("recipients", None, inside=True)]
        ways += [_present(a.field, "", inside=True) for a in type_.audience if a.field]
    else:
        names = _SPELLINGS["external_id" if rule.kind is AudienceRule.group else "account"]
        ways = [_present(name, "", inside=inside) for name in names for inside in (False, True)]
    return {"anyOf": [*ways, _present("data_base64")]}


def _present(name: str, empty: str | None = None, *, inside: bool = False) -> Schema:
    """Return the schema of an object with a field that is neither null nor `empty`; `inside`: a field of `data`."""
    present = {"required": [name], "properties": {name: {"not": {"enum": sorted({None, empty}, key=str)}}}}
    return {"required": ["data"], "properties": {"data": present | {"type": "object"}}} if inside else present
