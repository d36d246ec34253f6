"""Validate real records against the committed AsyncAPI document, as any other reader of it would."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from tests.support.paths import ROOT

PATH = ROOT / "docs" / "events" / "asyncapi.json"


@functools.cache
def committed_document() -> dict[str, Any]:
    """Return docs/events/asyncapi.json, parsed."""
    document: dict[str, Any] = json.loads(PATH.read_text())
    return document


@functools.cache
def _validator(message: str, part: str) -> Any:
    """Return a validator of a message's `payload` or `headers`, formats included."""
    document = committed_document()
    schema = {
        **document["components"]["messages"][message].get(part, {}),
        "components": document["components"],
    }
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True)


def is_valid(message: str, value: Any, headers: Mapping[str, str] | None = None) -> bool:
    """Return whether a parsed value and headers satisfy a message's schemas."""
    valid: bool = _validator(message, "payload").is_valid(value) and _validator(message, "headers").is_valid(
        headers or {}
    )
    return valid


def matching_messages(topic: str, value: bytes | None, headers: Mapping[str, bytes]) -> list[str]:
    """Return the names of the messages of a topic that a record satisfies; `topic` is without prefix."""
    texts = {name: content.decode("utf-8", "replace") for name, content in headers.items()}
    channel = committed_document()["channels"][topic]
    parsed = None if value is None or topic == "dispatch.dead-letter" else json.loads(value)
    return [name for name in channel["messages"] if is_valid(name, parsed, texts)]
