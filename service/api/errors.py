"""How the API refuses: JSON:API error objects on the inbox routes, RFC 9457 problems elsewhere."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from service.model.field_problem import FieldProblem
from service.pipeline.tables.schema import RowRefused
from service.pipeline.tables.writer import RowTooLarge
from service.ports import Unavailable

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
JSON_API = "application/vnd.api+json"
_RETRY_AFTER_S = "2"
_MAX_POINTER_PART = 100  # characters of a member name of the caller's that a pointer repeats
_AWAY = "A part that this request needs is away just now; try again shortly."


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: where in the body (a JSON pointer), or in which parameter of the query."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ApiError(HTTPException):
    """A refusal.

    `code` is a stable word for programs; `extra` are members that stand beside the standard ones.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        faults: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.faults = tuple(faults)
        self.extra = dict(extra or {})


def invalid(
    detail: str, pointer: str | None = None, *, status: int = 422, code: str = "invalid-body"
) -> ApiError:
    """A body that cannot be accepted, with the place at fault."""
    faults = (FieldError(detail, pointer),) if pointer is not None else ()
    return ApiError(status, detail, code=code, faults=faults)


def bad_parameter(name: str, detail: str) -> ApiError:
    """A query parameter that cannot be accepted."""
    fault = FieldError(detail, parameter=name)
    return ApiError(400, f"{name}: {detail}", code="invalid-parameter", faults=(fault,))


def not_found(what: str) -> ApiError:
    """There is none, or it is another's: the two are not told apart."""
    return ApiError(404, f"There is no such {what}.", code="not-found")


def pointer_to(*parts: object) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def is_json_api(scope: Scope) -> bool:
    """Whether the request is for a route whose document is JSON:API."""
    return route_path(scope).split("/", 2)[1:2] in (["counts"], ["notifications"])


def route_path(scope: Scope) -> str:
    """The path below the prefix that a proxy may have put before it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def respond(scope: Scope, error: ApiError) -> Response:
    """The refusal in the form that its route uses."""
    json_api = is_json_api(scope)
    body = _json_api(error) if json_api else _problem(error)
    media_type = JSON_API if json_api else PROBLEM
    return Response(orjson.dumps(body), error.status_code, error.headers, media_type)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _problem(error: ApiError) -> dict[str, Any]:
    status = error.status_code
    code = error.code or _title(status).lower().replace(" ", "-")
    body: dict[str, Any] = {
        "type": f"urn:tocsin:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": error.detail,
        **error.extra,
    }
    if error.faults:
        body["errors"] = [
            {"detail": f.detail, "parameter": f.parameter}
            if f.parameter is not None
            else {"detail": f.detail, "pointer": f"#{f.pointer}"}
            for f in error.faults
        ]
    return body


def _json_api(error: ApiError) -> dict[str, Any]:
    return {"errors": [_error_object(error, fault) for fault in error.faults or (FieldError(error.detail),)]}


def _error_object(error: ApiError, fault: FieldError) -> dict[str, Any]:
    status = error.status_code
    shown: dict[str, Any] = {"status": str(status), "title": _title(status), "detail": fault.detail}
    if error.code:
        shown["code"] = error.code
    if fault.parameter is not None:
        shown["source"] = {"parameter": fault.parameter}
    elif fault.pointer is not None:
        shown["source"] = {"pointer": fault.pointer}
    return shown


def _from_validation(error: RequestValidationError) -> ApiError:
    """Bodies are checked elsewhere, so this is about parameters of the query or the path."""
    faults = [
        FieldError(found["msg"], parameter=".".join(str(part) for part in found["loc"][1:]))
        for found in error.errors()[:20]
    ]
    return ApiError(400, "A parameter is not as documented.", code="invalid-parameter", faults=faults)


def install(app: FastAPI) -> None:
    """Let every refusal of this application take its documented form."""

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, ApiError):
            status = error.status_code if isinstance(error, HTTPException) else 500
            headers = error.headers if isinstance(error, HTTPException) else None
            error = ApiError(status, f"{_title(status)}.", headers=headers)
        return respond(request.scope, error)

    async def malformed(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return respond(request.scope, _from_validation(error))

    async def away(request: Request, error: Exception) -> Response:
        log.warning("unavailable: %s", error)
        headers = {"Retry-After": _RETRY_AFTER_S}
        return respond(request.scope, ApiError(503, _AWAY, code="unavailable", headers=headers))

    async def field_problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, FieldProblem):
            raise error
        pointer = pointer_to(*(part[:_MAX_POINTER_PART] for part in error.field))
        return respond(request.scope, invalid(error.message, pointer))

    async def unwritable(request: Request, error: Exception) -> Response:
        code = "row-too-large" if isinstance(error, RowTooLarge) else "row-refused"
        return respond(request.scope, ApiError(422, f"{str(error).rstrip('.')}.".capitalize(), code=code))

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(FieldProblem, field_problem)
    app.add_exception_handler(RowRefused, unwritable)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(Unavailable, away)
    app.add_exception_handler(Exception, refused)
