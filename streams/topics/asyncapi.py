"""The AsyncAPI 3.0 document of the Kafka interface. `python -m streams.topics.asyncapi` prints it.

The output is deterministic: the same code gives the same bytes.
"""

import sys
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from service.bootstrap.contents import shipped_catalogue
from service.model.catalogue import Catalogue
from streams.topics.asyncapi_events import (
    SCHEMAS,
    Schema,
    data_models,
    described,
    event_messages,
    event_schemas,
)
from streams.topics.asyncapi_records import messages_of, record_messages, record_models, record_schemas
from streams.topics.table import TOPICS, Topic

EVENTS = "events"
_BINDING = "0.5.0"
_INTRODUCTION = """\
Records that upstream services publish, and records that Tocsin publishes and keeps. Names are without
`TOCSIN_KAFKA__PREFIX`; `events` represents the topics of `TOCSIN_KAFKA__EVENTS`. docs/events.md explains the same.
"""
_READ_ONLY = ("tables.preferences",)
"""Topics that Tocsin only reads."""


class _Plain(GenerateJsonSchema):
    """JSON Schema without a title for every field."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a title would only repeat the field's name."""
        return False


def document(catalogue: Catalogue) -> dict[str, Any]:
    """Return the whole document. Raise KeyError for a topic of the table that is not described."""
    channels = {EVENTS: _channel(EVENTS, "upstream's choice", tuple(event_messages(catalogue)))}
    channels |= {t.name: _channel(t.name, t.key, messages_of(t.name), t) for t in TOPICS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tocsin",
            "version": "1",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "127.0.0.1:9092", "protocol": "kafka"}},
        "channels": channels,
        "operations": dict(_operations()),
        "components": {
            "schemas": _schemas(catalogue),
            "messages": {
                name: message | {"name": name}
                for name, message in (event_messages(catalogue) | record_messages()).items()
            },
        },
    }


def _schemas(catalogue: Catalogue) -> dict[str, Schema]:
    models = [*data_models(catalogue), *record_models()]
    _, made = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=SCHEMAS + "{model}",
        schema_generator=_Plain,
    )
    schemas = made["$defs"]
    schemas |= {f"Meta_{type_.name}": described(type_, schemas[f"Meta_{type_.name}"]) for type_ in catalogue}
    return {**schemas, **event_schemas(catalogue), **record_schemas()}


def _channel(name: str, key: str, messages: tuple[str, ...], topic: Topic | None = None) -> Schema:
    kafka: Schema = {"topic": name, "bindingVersion": _BINDING}
    if topic is not None:
        kafka["topicConfiguration"] = {
            setting: value.split(",") if setting == "cleanup.policy" else _plain(value)
            for setting, value in topic.config().items()
        }
    return {
        "address": name,
        "description": f"Key: {key}.",
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {"kafka": kafka},
    }


def _plain(value: str) -> int | str:
    return int(value) if value.isdigit() else value


def _operations() -> Iterator[tuple[str, Schema]]:
    """Yield the operations: Tocsin receives events, deliveries and tables, and sends everything but events."""
    reads = [t.name for t in TOPICS if t.name.startswith(("dispatch.email.", "dispatch.inbox", "tables."))]
    for name in (EVENTS, *reads):
        yield f"receive.{name}", {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
    for topic in TOPICS:
        if topic.name not in _READ_ONLY:
            yield f"send.{topic.name}", {"action": "send", "channel": {"$ref": f"#/channels/{topic.name}"}}


def main() -> None:
    """Print the document."""
    made = document(shipped_catalogue())
    text = orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    sys.stdout.write(text.decode() + "\n")


if __name__ == "__main__":
    main()
