"""The OpenAPI document. `python -m service.api` prints it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.api.docs import MODELS

_TEMPLATE = "#/components/schemas/{model}"
_OURS = ("HTTPValidationError", "ValidationError")
_INTRODUCTION = """\
Notifications: who hears of what, and their inboxes.

Refusals are JSON:API errors on `/counts` and `/notifications`, and problems (RFC 9457) elsewhere.
`RateLimit-Limit`, `-Remaining` and `-Reset` (seconds) come with every answer to a known caller.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """The document of this application; FastAPI's own 422, which no route sends, is taken out."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            description=_INTRODUCTION,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = found.setdefault("components", {}).setdefault("schemas", {})
        for name in _OURS:
            components.pop(name, None)
        _, definitions = models_json_schema(
            [(model, "validation") for model in MODELS], ref_template=_TEMPLATE
        )
        components.update(definitions["$defs"])
        for path in found["paths"].values():
            for operation in path.values():
                _drop_default(operation["responses"])
        app.openapi_schema = found
    return app.openapi_schema


def _drop_default(responses: dict[str, Any]) -> None:
    if _OURS[0] in str(responses.get("422")):
        del responses["422"]
