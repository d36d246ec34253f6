"""The page at /docs/events: the AsyncAPI document as HTML, made here, without a script.

The renderers of the AsyncAPI project compile JSON Schema in the browser, which needs `unsafe-eval` in the content
security policy; they are also three times the size of the document.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import orjson

Schema = Mapping[str, Any]

EVENTS = "events"
_COMMON = "CloudEvent"
_MAX_DEPTH = 3
_CODE = re.compile(r"`([^`]+)`")


class EventsPage:
    """The page of one AsyncAPI document."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def html(self) -> str:
        """Return the whole page; its links are relative to /docs/events."""
        info, channels = self._document["info"], self._document["channels"]
        names = [EVENTS, *(name for name in channels if name != EVENTS)]
        links = "".join(f'<li><a href="#{_id(name)}"><code>{escape(name)}</code></a></li>' for name in names)
        sections = "".join(self._channel(name, channels[name]) for name in names)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tocsin: Kafka</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
            '<link rel="stylesheet" href="reference.css"></head><body><header class="bar"><strong>Tocsin</strong>'
            '<nav aria-label="References"><a href="../docs">HTTP API</a> '
            '<a href="events" aria-current="page">Kafka</a></nav></header><div class="columns">'
            f'<nav class="topics" aria-label="Topics"><ul>{links}</ul></nav><main><h1>Topics and records</h1>'
            f'<p>{_prose(info["description"])}</p><p><a href="../asyncapi.json">asyncapi.json</a> '
            f"(AsyncAPI {escape(self._document['asyncapi'])})</p>{sections}</main></div></body></html>"
        )

    def _channel(self, name: str, channel: Schema) -> str:
        """Return the section of a topic: who reads and writes it, its key and settings, and its records."""
        uses = [
            verb
            for action, verb in (("receive", "reads"), ("send", "writes"))
            if f"{action}.{name}" in self._document["operations"]
        ]
        settings = channel["bindings"]["kafka"].get("topicConfiguration", {})
        rows = "".join(
            f"<tr><td><code>{escape(key)}</code></td><td>{escape(_value(value))}</td></tr>"
            for key, value in settings.items()
        )
        table = f"<table><caption>Settings</caption><tbody>{rows}</tbody></table>" if rows else ""
        common = (
            f"<details><summary>Attributes of every event</summary>{self._fields(self._schema(_COMMON))}</details>"
            if name == EVENTS
            else ""
        )
        records = "".join(self._message(name, self._resolved(ref)) for ref in channel["messages"].values())
        return (
            f'<section id="{_id(name)}"><h2><code>{escape(name)}</code></h2><p>Tocsin {" and ".join(uses)} this topic. '
            f"{_prose(channel['description'])}</p>{table}<h3>Records</h3>{common}{records}</section>"
        )

    def _message(self, channel: str, message: Schema) -> str:
        name, title = message["name"], message.get("title", "")
        parts = [f"<p>{_prose(text)}</p>" for text in (message.get("description"),) if text and text != title]
        if "headers" in message:
            parts.append("<h4>Headers</h4>" + self._fields(message["headers"]))
        parts.append(self._payload(message.get("payload", {})))
        for example in message.get("examples", ()):
            text = orjson.dumps(example["payload"], option=orjson.OPT_INDENT_2).decode()
            parts.append(f'<h4>Example</h4><pre tabindex="0">{escape(text)}</pre>')
        return (
            f'<details id="{_id(f"{channel}-{name}")}"><summary><code>{escape(name)}</code> {escape(title)}</summary>'
            f"{''.join(parts)}</details>"
        )

    def _payload(self, payload: Schema) -> str:
        """Return what is in a record's value; of an event, what it has beyond the attributes of every event."""
        schema = self._resolved(payload)
        needs = "".join(f"<p>Needs {' or '.join(names)}.</p>" for names in self._needs(schema))
        data = next(
            (part["properties"]["data"] for part in schema.get("allOf", ()) if "type" in _named(part)), None
        )
        if data is not None:
            return needs + "<h4>Data</h4>" + self._fields(self._resolved(data))
        text = schema.get("description")
        return (f"<p>{_prose(text)}</p>" if text else "") + "<h4>Value</h4>" + self._fields(schema)

    def _needs(self, schema: Schema) -> Iterator[Sequence[str]]:
        """Yield the alternatives of each condition of an event: the places where a value must be."""
        for part in schema.get("allOf", ()):
            if names := [place for choice in part.get("anyOf", ()) for place in _places(choice)]:
                yield [f"<code>{escape(name)}</code>" for name in names]

    def _fields(self, schema: Schema) -> str:
        """Return a table of the fields of a schema; of one without fields, its type."""
        rows = "".join(self._rows(self._item(schema), 0))
        if not rows:
            return f"<p>{self._type(schema)}</p>"
        head = '<tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Meaning</th></tr>'
        return (
            f'<div class="wide" tabindex="0"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
        )

    def _rows(self, schema: Schema, depth: int) -> Iterator[str]:
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            resolved = self._resolved(field)
            text = field.get("description") or resolved.get("description", "")
            needed = ", required" if name in required else ""
            yield (
                f'<tr><td class="depth-{depth}"><code>{escape(name)}</code></td><td>{self._type(field)}{needed}</td>'
                f"<td>{_prose(text)}</td></tr>"
            )
            if depth < _MAX_DEPTH:
                yield from self._rows(self._item(resolved), depth + 1)

    def _item(self, schema: Schema) -> Schema:
        """Return the schema whose fields are shown: the schema's own, or of its items, values or alternatives."""
        for key in ("items", "additionalProperties"):
            if isinstance(inner := schema.get(key), Mapping):
                return self._item(self._resolved(inner))
        choices = (self._item(self._resolved(choice)) for choice in schema.get("anyOf", ()))
        return next((choice for choice in choices if "properties" in choice), schema)

    def _type(self, schema: Schema) -> str:
        """Return the type of a field in words, as HTML."""
        schema = self._resolved(schema)
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return " | ".join(map(self._type, choices))
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            return " | ".join(f"<code>{escape(orjson.dumps(value).decode())}</code>" for value in values)
        kinds = schema.get("type", "any JSON")
        if kinds == "array":
            return "list of " + self._type(schema.get("items", {}))
        if isinstance(values := schema.get("additionalProperties"), Mapping):
            return "object of " + self._type(values)
        text = kinds if isinstance(kinds, str) else " | ".join(kinds)
        return escape(f"{text}, {schema['format']}" if "format" in schema else text)

    def _resolved(self, schema: Schema) -> Schema:
        """Return the schema or message that a reference leads to."""
        while "$ref" in schema:
            kind, name = schema["$ref"].rsplit("/", 2)[1:]
            schema = self._document["components"][kind][name]
        return schema

    def _schema(self, name: str) -> Schema:
        schema: Schema = self._document["components"]["schemas"][name]
        return schema


def _named(part: Schema) -> Schema:
    properties: Schema = part.get("properties", {})
    return properties


def _places(choice: Schema) -> Iterator[str]:
    """Yield the fields that an alternative requires, with their paths."""
    for name in choice.get("required", ()):
        inner = list(_places(choice.get("properties", {}).get(name, {})))
        yield from (f"{name}.{below}" for below in inner) if inner else (name,)


def _id(name: str) -> str:
    return escape(name.replace(".", "-"))


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _prose(text: str) -> str:
    """Return text as HTML, with what is between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
