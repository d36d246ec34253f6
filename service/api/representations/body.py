"""Request bodies: strict JSON, validated against a model, with every invalid field named in the error."""

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.api.errors import ApiError, FieldError, body_error, pointer_to

M = TypeVar("M", bound=BaseModel)
_MAX_ERRORS = 20  # fields named in one response


async def read_json(request: Request) -> Any:
    """Return the body as strict JSON (RFC 8259): no NaN, no lone surrogates. Raise ApiError 400 or 413."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        detail = f"The body is not JSON: {error.msg}."
        raise body_error(detail, "", status=400, code="invalid-json") from None


def parse_model(model: type[M], data: Any, *location: object, status: int = 422) -> M:
    """Return the data as a model; `location` is the path to the data inside the body.

    Raise ApiError that names every invalid field, up to 20.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
        errors = [FieldError(_plain(e["msg"]), pointer_to(*location, *e["loc"])) for e in items]
        raise ApiError(status, errors[0].detail, code="invalid-body", errors=errors) from None


def _plain(message: str) -> str:
    """Return pydantic's message without the prefix that it adds to ValueError texts of our validators."""
    return message.removeprefix("Value error, ")
