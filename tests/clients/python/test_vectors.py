"""The client refuses what the service refuses, with the same reason: clients/vectors.json."""

import json
from typing import Any

import pytest
from tocsin_client.errors import InvalidEvent, Reason
from tocsin_client.event import event_id
from tocsin_client.event_type import DataField, EventType
from tocsin_client.validation import validate_fields
from tocsin_client.values import time_ms

from service.model.reasons import DeadReason
from tests.support import client_vectors

VECTORS: dict[str, Any] = json.loads(client_vectors.PATH.read_text())


def declared(description: dict[str, Any]) -> EventType:
    return EventType(
        description["name"],
        needs=tuple(description["needs"]),
        recipient_fields=tuple(description["recipient_fields"]),
        fields=tuple(DataField(f["name"], f["type"], f["required"]) for f in description["fields"]),
        supersede=description["supersede"],
    )


TYPES = {description["name"]: declared(description) for description in VECTORS["types"]}


def reason_of(vector: dict[str, Any]) -> str | None:
    try:
        validate_fields(client_vectors.filled(vector), TYPES, time_ms(VECTORS["now"]))
    except InvalidEvent as error:
        return error.reason.value
    return None


def test_the_file_is_what_ingest_says() -> None:
    """`make docs` writes it."""
    assert client_vectors.PATH.read_text() == client_vectors.text(), (
        "clients/vectors.json is not current: make docs"
    )


def test_every_vector_has_the_reason_of_the_service() -> None:
    """Accepted or refused alike."""
    wrong = {v["name"]: (reason_of(v), v["reason"]) for v in VECTORS["events"] if reason_of(v) != v["reason"]}
    assert not wrong


def test_the_vectors_have_every_reason_that_an_object_can_have() -> None:
    """The others are of bytes, or of what happens after ingest."""
    reasons = {vector["reason"] for vector in VECTORS["events"]}
    of_bytes = {
        "empty", "invalid_utf8", "duplicate_key", "not_an_object", "schema_registry_framing",
        "unsupported_content_type", "unsupported_specversion",
    }  # fmt: skip
    afterwards = {"render_failed", "unreadable", "unprocessable"}

    assert reasons - {None} == {reason.value for reason in DeadReason} - of_bytes - afterwards


def test_the_reasons_are_those_of_dead_letters() -> None:
    """One closed set."""
    assert {reason.value for reason in Reason} == {reason.value for reason in DeadReason}


@pytest.mark.parametrize("vector", VECTORS["ids"], ids=lambda vector: vector["id"])
def test_ids(vector: dict[str, Any]) -> None:
    """The same parts give the same id in every language."""
    assert event_id(vector["source"], *vector["parts"]) == vector["id"]


@pytest.mark.parametrize("vector", VECTORS["supersede_keys"], ids=lambda vector: str(vector["key"]))
def test_supersede_keys(vector: dict[str, Any]) -> None:
    """That of the service, without the type."""
    assert TYPES[vector["type"]].supersede_key(vector["data"]) == vector["key"]
