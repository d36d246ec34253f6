"""Error responses of the API: JSON:API error objects on the inbox routes, RFC 9457 problems elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from service.model.validators import FieldProblem
from service.pipeline.tables.schema import RowRefused
from service.pipeline.tables.writer import RowTooLarge
from service.ports import Unavailable

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
JSON_API = "application/vnd.api+json"
_RETRY_AFTER_S = "2"
_UNAVAILABLE = "A dependency of this request is unavailable; try again shortly."
_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""Names in RFC 9110 that Python 3.11 does not have yet."""
_MAX_ERRORS = 20  # fields named in one response
_MAX_POINTER_PART = 100  # characters of a member name of the caller's that a pointer repeats


@dataclass(frozen=True, slots=True)
class FieldError:
    """An invalid field of the body, by JSON pointer, or an invalid query parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ApiError(HTTPException):
    """An error response.

    `code` is a stable identifier for programs; `extra` holds members beside the standard ones.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.errors = tuple(errors)
        self.extra = dict(extra or {})


def body_error(
    detail: str, pointer: str | None = None, *, status: int = 422, code: str = "invalid-body"
) -> ApiError:
    """Return the error for an invalid body; `pointer` locates the invalid field."""
    errors = (FieldError(detail, pointer),) if pointer is not None else ()
    return ApiError(status, detail, code=code, errors=errors)


def parameter_error(name: str, detail: str) -> ApiError:
    """Return the error for an invalid query parameter."""
    error = FieldError(detail, parameter=name)
    return ApiError(400, f"{name}: {detail}", code="invalid-parameter", errors=(error,))


def not_found(noun: str) -> ApiError:
    """Return the error for a resource that does not exist or belongs to another caller; both look the same."""
    return ApiError(404, f"There is no such {noun}.", code="not-found")


def pointer_to(*parts: object) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def is_json_api(scope: Scope) -> bool:
    """Return whether the request is for a route that is documented as JSON:API."""
    return route_path(scope).split("/", 2)[1:2] in (["counts"], ["notifications"])


def route_path(scope: Scope) -> str:
    """Return the request's path without the prefix that a proxy may have added."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def error_response(scope: Scope, error: ApiError) -> Response:
    """Return the error in the format of its route."""
    json_api = is_json_api(scope)
    body = _json_api_body(error) if json_api else _problem_body(error)
    media_type = JSON_API if json_api else PROBLEM
    return Response(orjson.dumps(body), error.status_code, error.headers, media_type)


def error_of(error: Exception) -> ApiError | None:
    """Return the response to an exception of a route; None for an unforeseen one."""
    known: ApiError | None = None
    match error:
        case ApiError():
            known = error
        case HTTPException():
            known = ApiError(error.status_code, f"{_title(error.status_code)}.", headers=error.headers)
        case FieldProblem():
            known = body_error(error.message, pointer_to(*(part[:_MAX_POINTER_PART] for part in error.field)))
        case RowRefused():
            code = "row-too-large" if isinstance(error, RowTooLarge) else "row-refused"
            known = ApiError(422, f"{str(error).rstrip('.')}.".capitalize(), code=code)
        case RequestValidationError():
            known = _invalid_parameter(error)
        case Unavailable():
            log.warning("dependency_unavailable", error=str(error))
            headers = {"Retry-After": _RETRY_AFTER_S}
            known = ApiError(503, _UNAVAILABLE, code="unavailable", headers=headers)
    return known


def _invalid_parameter(error: RequestValidationError) -> ApiError:
    """Return FastAPI's validation error, always about the query or the path: `body.py` validates bodies."""
    errors = [
        FieldError(item["msg"], parameter=".".join(str(part) for part in item["loc"][1:]))
        for item in error.errors()[:_MAX_ERRORS]
    ]
    detail = "A parameter does not match the documented schema."
    return ApiError(400, detail, code="invalid-parameter", errors=errors)


def _title(status: int) -> str:
    try:
        return _TITLES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _problem_body(error: ApiError) -> dict[str, Any]:
    status = error.status_code
    code = error.code or _title(status).lower().replace(" ", "-")
    body: dict[str, Any] = {
        "type": f"urn:tocsin:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": error.detail,
        **error.extra,
    }
    if error.errors:
        body["errors"] = [
            {"detail": item.detail, "parameter": item.parameter}
            if item.parameter is not None
            else {"detail": item.detail, "pointer": f"#{item.pointer}"}
            for item in error.errors
        ]
    return body


def _json_api_body(error: ApiError) -> dict[str, Any]:
    return {"errors": [_error_object(error, item) for item in error.errors or (FieldError(error.detail),)]}


def _error_object(error: ApiError, item: FieldError) -> dict[str, Any]:
    status = error.status_code
    body: dict[str, Any] = {"status": str(status), "title": _title(status), "detail": item.detail}
    if error.code:
        body["code"] = error.code
    if item.parameter is not None:
        body["source"] = {"parameter": item.parameter}
    elif item.pointer is not None:
        body["source"] = {"pointer": item.pointer}
    return body
