"""Records of Tocsin's own topics as JSON Schema made from the code: deliveries, outcomes, dead letters, rows."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, Field, create_model

from service.model.delivery import Delivery
from service.model.holds.calendar import Frequency
from service.model.operation import OPERATION_WIRE_NAMES, Operation
from service.model.outcome import Outcome
from service.model.reasons import DEAD_REASON_TEXT, REASON_TEXT, DeadReason, Reason
from service.model.topics import TABLES
from service.model.withdrawal import WithdrawalRecord
from service.pipeline.tables.schema import ROW_MODELS
from streams.topics.asyncapi_events import SCHEMAS, Schema

_TIME = {"type": "integer", "minimum": 0}
_OBJECTS: Mapping[Any, Mapping[str, Any]] = {
    Operation: {"filters": {}, "counts": {}},
    WithdrawalRecord: {"event": "", "supersede": ""},
}
"""NamedTuples that are written as objects without their empty fields, and the empty values that are no defaults."""


def _with_sentences(texts: Mapping[Reason, str] | Mapping[DeadReason, str]) -> Schema:
    """Return a closed set as JSON Schema, each value with its sentence."""
    values = [{"const": reason.value, "description": text} for reason, text in texts.items() if text]
    return {"type": "string", "oneOf": values}


_BY_HAND: Mapping[str, Schema] = {
    "Reason": {
        "description": "Why a delivery is in its state; absent or empty in the ordinary case.",
        "type": "string",
        "oneOf": [{"const": ""}, *_with_sentences(REASON_TEXT)["oneOf"]],
    },
    "ReadMark": {
        "description": "Entries of an inbox that their recipient has read.",
        "type": "object",
        "required": ["kind", "recipient", "ids", "at_ms"],
        "properties": {
            "kind": {"const": "read"},
            "recipient": {"type": "string"},
            "ids": {"type": "array", "items": {"type": "string"}},
            "at_ms": _TIME,
        },
    },
    "Score": {
        "description": "The soft-bounce score of an address at a time; it halves every week.",
        "type": "object",
        "required": ["score", "at_ms"],
        "properties": {"score": {"type": "number"}, "at_ms": _TIME},
    },
    "Suppression": {
        "description": "Why an address is not mailed; the record's key is its hash, in 24 hex digits.",
        "type": "object",
        "required": ["reason"],
        "properties": {
            "reason": _with_sentences(REASON_TEXT),
            "at_ms": _TIME,
            "until_ms": _TIME | {"description": "Mailed again from then on; 0: until an operator allows it."},
            "detail": {"type": ["string", "null"]},
            "version": _TIME,
        },
    },
    "Preference": {
        "description": "On or off, and how often mail is sent while it is on; a tombstone restores the default.",
        "type": "object",
        "required": ["on"],
        "properties": {
            "on": {"type": "boolean"},
            "frequency": {
                "description": "Without it, the frequency that is set stays; null: that of the type.",
                "enum": [*Frequency, None],
            },
        },
    },
}
_ROWS = {name: form.__name__ for name, form in ROW_MODELS.items()} | {
    "suppressions": "Suppression",
    "preferences": "Preference",
}
_PLAIN: Mapping[str, tuple[str, ...]] = {
    "dispatch.email": ("Delivery",),
    "dispatch.inbox": ("Delivery",),
    "dispatch.outcomes": ("Outcome", "ReadMark"),
    "dispatch.dead-letter": ("DeadLetter",),
    "dispatch.withdrawals": ("WithdrawalRecord",),
    "dispatch.soft-bounces": ("Score", "Tombstone"),
    "dispatch.audit": ("Operation",),
    **{f"tables.{name}": (_ROWS[name], "Tombstone") for name in TABLES},
}
_DEAD_LETTER: Schema = {
    "description": "A record that no retry can help: its own bytes and headers, and why and where it failed. "
    "Of a record over 64 KiB only the first bytes, and `tocsin-partial`.",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "required": [f"tocsin-{name}" for name in ("reason", "stage", "topic", "partition", "offset")],
        "properties": {
            "tocsin-reason": _with_sentences(DEAD_REASON_TEXT),
            "tocsin-detail": {"type": "string", "maxLength": 1000},
            "tocsin-stage": {"type": "string"},
            "tocsin-topic": {"type": "string"},
            **{
                f"tocsin-{name}": {"type": "string", "pattern": "^-?[0-9]+$"}
                for name in ("partition", "offset", "timestamp", "size", "last-offset")
            },
            "tocsin-partial": {"const": "1"},
            "tocsin-sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    },
    "payload": {},
}
_TOMBSTONE: Schema = {
    "description": "The row is deleted.",
    "headers": {
        "type": "object",
        "properties": {
            "version": {
                "type": "string",
                "pattern": "^[0-9]{1,15}$",
                "description": "The version of the row (ms since the epoch); the record's time where it is absent.",
            }
        },
    },
    "payload": {"type": "null"},
}


def record_models() -> Iterable[type[BaseModel]]:
    """Return the models of the records that the code reads and writes."""
    return (
        _struct_model(Delivery),
        _struct_model(Outcome),
        *ROW_MODELS.values(),
        *(_model(record, empty) for record, empty in _OBJECTS.items()),
    )


def record_schemas() -> Mapping[str, Schema]:
    """Return the schemas of the records that have no model."""
    return _BY_HAND


def record_messages() -> dict[str, Schema]:
    """Return every message by name."""
    kinds = {kind for kinds in _PLAIN.values() for kind in kinds} - {"DeadLetter", "Tombstone"}
    plain: dict[str, Schema] = {
        kind: {"contentType": "application/json", "payload": {"$ref": f"{SCHEMAS}{kind}"}}
        for kind in sorted(kinds)
    }
    return {**plain, "DeadLetter": _DEAD_LETTER, "Tombstone": _TOMBSTONE}


def messages_of(topic: str) -> tuple[str, ...]:
    """Return the messages of a topic of the table. Raise KeyError for one that is not described here."""
    return _PLAIN["dispatch.email" if topic.startswith("dispatch.email.") else topic]


def _model(record: Any, empty: Mapping[str, Any]) -> type[BaseModel]:
    defaults = record._field_defaults | empty
    names = OPERATION_WIRE_NAMES if record is Operation else record._fields
    wire_names = dict(zip(record._fields, names, strict=True))
    fields: Any = {
        wire_names.get(name, name): (hint, defaults.get(name, ...))
        for name, hint in get_type_hints(record).items()
    }
    return create_model(record.__name__, __doc__=record.__doc__, **fields)


def _struct_model(record: type[msgspec.Struct]) -> type[BaseModel]:
    """Return the model of a record that is a struct: its fields by their names on the wire, with their limits."""
    fields: Any = {}
    for field in msgspec.structs.fields(record):
        hint, default = field.type, ... if field.required else field.default
        if hint is msgspec.Raw:
            hint, default = Mapping[str, Any], {}
        elif get_origin(hint) is Annotated:
            base, limits = get_args(hint)
            hint = Annotated[base, Field(ge=limits.ge, le=limits.le)]
        fields[field.encode_name] = (hint, default)
    return create_model(record.__name__, __doc__=record.__doc__, **fields)
