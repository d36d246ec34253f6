"""Judges real records by the committed AsyncAPI document, as any other reader of it would."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from tests.support.paths import ROOT

PATH = ROOT / "docs" / "events" / "asyncapi.json"


@functools.cache
def committed() -> dict[str, Any]:
    """The document."""
    found: dict[str, Any] = json.loads(PATH.read_text())
    return found


@functools.cache
def _judge(message: str, part: str) -> Any:
    """A validator of a message's `payload` or `headers`, formats included."""
    document = committed()
    schema = {
        **document["components"]["messages"][message].get(part, {}),
        "components": document["components"],
    }
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True)


def fits(message: str, value: Any, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a parsed value, and headers, are what a message says."""
    valid: bool = _judge(message, "payload").is_valid(value) and _judge(message, "headers").is_valid(
        headers or {}
    )
    return valid


def messages_of(topic: str, value: bytes | None, headers: Mapping[str, bytes]) -> list[str]:
    """The messages of a topic that a record fits; `topic` is without prefix."""
    told = {name: content.decode("utf-8", "replace") for name, content in headers.items()}
    channel = committed()["channels"][topic]
    parsed = None if value is None or topic == "dispatch.dead-letter" else json.loads(value)
    return [name for name in channel["messages"] if fits(name, parsed, told)]
