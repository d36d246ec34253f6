"""The OpenAPI document. `python -m service.api` prints it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.api.errors import is_json_api
from service.api.representations.schemas import MODELS, error_responses

_OF_EVERY_ROUTE = (408, 414, 415, 431)  # before a route is chosen; 415: a compressed body
_REF_TEMPLATE = "#/components/schemas/{model}"
_FASTAPI_MODELS = ("HTTPValidationError", "ValidationError")
_DESCRIPTION = """\
Recipients, their preferences and inboxes, and events to notify them of.

Errors are JSON:API error objects on `/counts` and `/notifications`, and problem details (RFC 9457) elsewhere.
Every response to an authenticated caller has `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`
(in seconds).
"""


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of this application, without FastAPI's own 422 response, which no route sends."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=_DESCRIPTION,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in _FASTAPI_MODELS:
            components.pop(name, None)
        _, definitions = models_json_schema(
            [(model, "validation") for model in MODELS], ref_template=_REF_TEMPLATE
        )
        components.update(definitions["$defs"])
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                _drop_validation_response(operation["responses"])
                for status, answer in error_responses(
                    *_OF_EVERY_ROUTE, json_api=is_json_api({"path": path})
                ).items():
                    operation["responses"].setdefault(str(status), answer)
        app.openapi_schema = schema
    return app.openapi_schema


def _drop_validation_response(responses: dict[str, Any]) -> None:
    if _FASTAPI_MODELS[0] in str(responses.get("422")):
        del responses["422"]
