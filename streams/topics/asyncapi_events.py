"""What upstream services publish, as JSON Schema: the envelope, and a message for every notification type.

It follows `service.pipeline.resolve.ingest`, which checks more than JSON Schema can express (printable text,
duplicate keys, size): whatever ingest accepts is valid here.
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
EXTENSIONS: Mapping[str, Schema] = {
    "recipients": {
        "description": "Ids of whom it is for; as text a JSON array, or separated by commas.",
        "anyOf": [{"type": "array", "items": _ID}, {"type": ["string", "null"]}],
    },
    "external_id": _TEXT | {"description": "The group whose list is used."},
    "project_id": _TEXT | {"description": "The group whose list is used."},
    "account": _TEXT | {"description": "The account whose contacts hear."},
    "actor": _TEXT | {"description": "Who did it, and is not told of it."},
    "expires": _TIME | {"description": "After this time it is worth nothing."},
    "supersede_key": _TEXT | {"description": "In place of the type's own supersede key."},
    "externalid": _TEXT,
    "projectid": _TEXT,
    "supersedekey": _TEXT,
}
"""Attributes, or fields of `data`: an attribute goes before a field."""
ENVELOPE: Schema = {
    "description": "CloudEvents 1.0 in structured mode, or bare JSON with the same fields. Other fields are kept.",
    "type": "object",
    "required": ["id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _NAMED | {"description": "With `source` unique: the same pair again has no second effect."},
        "source": _NAMED,
        "type": _NAMED | {"description": "A notification type, with or without a reverse-DNS prefix."},
        "time": _TIME | {"description": "When it happened; the record's time where it is left out."},
        "data": {"type": ["object", "null"]},
        "data_base64": {"type": "string", "description": "`data` as base64; read where `data` is left out."},
        "subject": {"description": "Kept, not used."},
        "datacontenttype": {"description": "Kept, not used."},
        "dataschema": {"description": "Kept, not used."},
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
    """The envelope and one schema a type, by name; the data's own are those of `data_models`."""
    types = {f"Event_{row.name}": _event(row) for row in catalogue}
    taken_back = _typed(WITHDRAW, [_given("data")], {"$ref": f"{SCHEMAS}Withdraw"})
    return {"CloudEvent": ENVELOPE, "Withdraw": _TARGET, f"Event_{WITHDRAW}": taken_back, **types}


def data_models(catalogue: Catalogue) -> Iterable[type[BaseModel]]:
    """The models by which `data` is checked."""
    return (row.meta_model() for row in catalogue)


def described(row: NotificationType, schema: Schema) -> Schema:
    """The schema of a type's data, with what the catalogue says of each field."""
    for name, field in row.meta.items():
        told = schema["properties"][name]
        if field.description:
            told["description"] = field.description
        if field.type == "datetime":
            told["format"] = "date-time"
    return schema | {"title": f"Data of {row.name}"}


def event_messages(catalogue: Catalogue) -> dict[str, Schema]:
    """A message for every type, one for the verb, and one for binary mode."""
    messages = {row.name: _message(row.name, row.title, row.description, row.sample) for row in catalogue}
    said = "Takes back an event by its id, or all events of a supersede key."
    messages[WITHDRAW] = _message(WITHDRAW, "Withdraw", said, {"data": {"id": "4711", "source": "/auctions"}})
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


def _event(row: NotificationType) -> Schema:
    data = {"$ref": f"{SCHEMAS}Meta_{row.name}"}
    needs = [_found(rule, row) for rule in row.audience if rule.kind is not AudienceRule.role]
    if any(field.required for field in row.meta.values()):
        return _typed(row.name, [{"anyOf": [_given("data"), _given("data_base64")]}, *needs], data)
    return _typed(row.name, needs, {"anyOf": [data, {"type": "null"}]})


def _typed(name: str, needs: list[Schema], data: Schema) -> Schema:
    named = {"properties": {"type": {"pattern": rf"(^|\.){name}$"}, "data": data}}
    return {"allOf": [{"$ref": f"{SCHEMAS}CloudEvent"}, named, *needs]}


def _found(rule: Audience, row: NotificationType) -> Schema:
    """That an event says whom a rule finds. What `data_base64` holds cannot be seen."""
    if rule.kind is AudienceRule.users:
        ways = [_given("recipients", None), _given("recipients", None, inside=True)]
        ways += [_given(a.field, "", inside=True) for a in row.audience if a.field]
    else:
        names = _SPELLINGS["external_id" if rule.kind is AudienceRule.group else "account"]
        ways = [_given(name, "", inside=inside) for name in names for inside in (False, True)]
    return {"anyOf": [*ways, _given("data_base64")]}


def _given(name: str, empty: str | None = None, *, inside: bool = False) -> Schema:
    """That a field is there, and neither null nor `empty`."""
    there = {"required": [name], "properties": {name: {"not": {"enum": sorted({None, empty}, key=str)}}}}
    return {"required": ["data"], "properties": {"data": there | {"type": "object"}}} if inside else there
