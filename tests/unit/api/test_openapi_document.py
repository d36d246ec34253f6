"""The OpenAPI document: names of operations, and schemas for all that is sent and received."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from service.api.app import _ROUTE_MODULES, bare_app
from service.api.reference.openapi import TAGS, document

DOCUMENT = document(bare_app())
_METHODS = {"get", "post", "put", "patch", "delete"}
_NO_CONTENT = {"204", "304"}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation with its method and path."""
    for path, item in DOCUMENT["paths"].items():
        for method in item.keys() & _METHODS:
            yield f"{method.upper()} {path}", item[method]


OPERATIONS = dict(sorted(operations()))


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def says_something(schema: dict[str, Any]) -> bool:
    """Return whether a schema has fields, items or alternatives that have some, or is the bytes of a message."""
    schema = resolved(schema)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return all(map(says_something, choices))
    match schema.get("type"):
        case "array":
            return says_something(schema.get("items", {}))
        case "object":
            return bool(schema.get("properties")) or isinstance(schema.get("additionalProperties"), dict)
    return schema.get("format") == "binary"


def test_every_route_sets_its_name() -> None:
    """A name that a client's method can have; FastAPI would make one of the function's name and the path."""
    all_routes = [route for module in _ROUTE_MODULES for route in module.router.routes]
    routes = [route for route in all_routes if isinstance(route, APIRoute) and route.include_in_schema]
    routes = [route for route in routes if route.path in DOCUMENT["paths"]]
    assert len(routes) == len(OPERATIONS)
    names = {f"{route.methods} {route.path}": route.operation_id or "" for route in routes}
    assert [route for route, name in names.items() if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []


def test_names_are_unique() -> None:
    """Each names one operation, and no other."""
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert [name for name, number in names.items() if number > 1] == []


def test_names_are_those_of_clients() -> None:
    """A name that changes breaks the clients that were generated from the document: add to this list only."""
    known = """
        add_contacts change_group_addresses change_preferences delete_contact delete_recipient describe_contacts
        describe_preferences edit_contact explain_deliveries get_contact get_counts get_group_addresses get_liveness
        get_readiness get_recipient list_contact_details list_contacts list_notifications list_preference_details
        list_preferences list_recipients mark_all_notifications_read mark_notification_read mark_notifications_read
        patch_recipient predict_deliveries publish_events put_recipient report_bounce stream_inbox
    """
    assert {operation["operationId"] for operation in OPERATIONS.values()} >= set(known.split())


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_described(name: str) -> None:
    """Each status has a schema that says something, unless it has no content."""
    responses = OPERATIONS[name]["responses"]
    assert any(status.startswith("2") for status in responses)
    for status, response in responses.items():
        assert bool(response.get("content")) is (status not in _NO_CONTENT), status
        for media_type in response.get("content", {}).values():
            assert says_something(media_type.get("schema", {})), status


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_is_described(name: str) -> None:
    """In each of its media types."""
    for media_type in OPERATIONS[name].get("requestBody", {}).get("content", {}).values():
        assert says_something(media_type["schema"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_explained(name: str) -> None:
    """It has a summary, a description, one tag that is described, and says whether it needs a credential."""
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in TAGS
    assert "security" in operation


def test_events_of_the_stream_have_a_discriminator() -> None:
    """Their union has the name of the event as its discriminator."""
    union = DOCUMENT["components"]["schemas"]["InboxEvent"]
    assert union["discriminator"]["propertyName"] == "event"
    assert set(union["discriminator"]["mapping"]) == {"snapshot", "new", "read", "removed", "counts"}


@pytest.mark.parametrize("name", ["ContactEdit", "RecipientPatch"])
def test_fields_of_a_partial_change_have_no_default(name: str) -> None:
    """Generated clients send defaults: what was not to be changed would be reset."""
    fields = DOCUMENT["components"]["schemas"][name]["properties"]
    assert [field for field, schema in fields.items() if "default" in schema] == []


def test_names_for_the_same_parameter_have_no_default() -> None:
    """Generated clients send defaults, and the API refuses two names for one parameter in a request."""
    parameters = OPERATIONS["GET /notifications"]["parameters"]
    statuses = [parameter["schema"] for parameter in parameters if "status" in parameter["name"]]
    assert len(statuses) == 2
    assert not any("default" in schema for schema in statuses)
