"""The OpenAPI document. `python -m service.api` prints it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from service.api.errors import is_json_api
from service.api.representations.schemas import MODELS, Schema, error_responses

_OF_EVERY_ROUTE = (408, 414, 415, 431)  # before a route is chosen; 415: a compressed body
_REF_TEMPLATE = "#/components/schemas/{model}"
_FASTAPI_MODELS = ("HTTPValidationError", "ValidationError")
_DESCRIPTION = """\
Recipients, their preferences and inboxes, and events to notify them of.

Errors are JSON:API error objects on `/counts` and `/notifications`, and problem details (RFC 9457) elsewhere.
Every response to an authenticated caller has `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`
(in seconds).
"""
TAGS = {
    "inbox": "The caller's own inbox: JSON:API, and a stream of what changes.",
    "tokens": "Short-lived tokens for inboxes, which an app's server asks for.",
    "events": "Events over HTTP, for upstream services without Kafka.",
    "recipients": "The recipients table.",
    "groups": "The addresses that a group has for each notification type.",
    "contacts": "The contacts of the calling account.",
    "preferences": "The preferences of the calling account's contacts.",
    "deliveries": "Operators: what became of deliveries, what waits, and what happens now.",
    "dead-letters": "Operators: records that no retry can help.",
    "operations": "Operators: send deliveries again; what operators have done.",
    "suppressions": "Operators: addresses to which no mail is sent.",
    "keys": "Operators: API keys of services.",
    "explain": "Why a delivery is in its state, and what an event or a change would do.",
    "workers": "Workers with their stages and relays, and what is wrong now.",
    "bounces": "Bounces and complaints that come back.",
    "health": "Liveness and readiness of the process that answers.",
}
"""The groups of operations, in the order in which they are shown."""


class _PlainSchema(GenerateJsonSchema):
    """JSON Schema without what says nothing: titles that repeat a field's name, and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False, for every field."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """Return the schema of a field with a default."""
        made = super().default_schema(schema)
        return (
            made
            if made.get("default", True) is not None
            else {k: v for k, v in made.items() if k != "default"}
        )


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of this application, without FastAPI's own 422 response, which no route sends."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=_DESCRIPTION,
            routes=app.routes,
            tags=[{"name": name, "description": text} for name, text in TAGS.items()],
            servers=app.servers,
            license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        )
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in _FASTAPI_MODELS:
            components.pop(name, None)
        _, definitions = models_json_schema(
            [(model, "validation") for model in MODELS],
            ref_template=_REF_TEMPLATE,
            schema_generator=_PlainSchema,
        )
        components.update(definitions["$defs"])
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                _complete(operation, is_json_api({"path": path}))
        app.openapi_schema = schema
    return app.openapi_schema


def _complete(operation: dict[str, Any], json_api: bool) -> None:
    """Add what every operation has, and remove what none has."""
    responses = operation["responses"]
    if _FASTAPI_MODELS[0] in str(responses.get("422")):
        del responses["422"]
    for status, answer in error_responses(*_OF_EVERY_ROUTE, json_api=json_api).items():
        responses.setdefault(str(status), answer)
    operation.setdefault("security", [])  # an operation without it needs no credential
    for parameter in operation.get("parameters", ()):
        parameter["schema"].pop("title", None)
