"""Request bodies: strict JSON, validated against a model, with every invalid field named in the error."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.api.errors import ApiError, FieldError, body_error, pointer_to
from service.api.protocol.connection_limits import MAX_BODY_BYTES
from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.pipeline.resolve import strict_json

M = TypeVar("M", bound=BaseModel)
_JSON_TYPE = re.compile(r"application/(?:[\w!#$&^.+-]+\+)?json", re.ASCII)
_MAX_ERRORS = 20  # fields named in one response
_MAX_MEMBERS = 1000  # of an object; a recipient has a preference for each type


async def read_json(request: Request) -> Any:
    """Return the body as strict JSON, by the rules for events: no key twice, no integer over 64 bits.

    Raise ApiError 400, 413 or 415.

    A body without a media type is taken for JSON. One with another type is refused: a browser sends such bodies, with
    the password that it knows, from the page of anyone.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and not _JSON_TYPE.fullmatch(media_type):
        headers = {"Accept-Patch": "application/json"} if request.method == "PATCH" else {}
        raise ApiError(
            415, "The body must be application/json.", code="unsupported-media-type", headers=headers
        )
    body = await request.body()
    if body.startswith(strict_json.BYTE_ORDER_MARK):
        raise body_error("The body begins with a byte-order mark.", "", status=400, code="invalid-json")
    try:
        return strict_json.loads(body, MAX_BODY_BYTES)
    except InvalidEvent as error:
        status = 413 if error.reason is DeadReason.too_large else 400
        raise body_error(f"The body is not JSON: {error}.", "", status=status, code="invalid-json") from None


def parse_model(model: type[M], data: Any, *location: object, status: int = 422) -> M:
    """Return the data as a model; `location` is the path to the data inside the body.

    Raise ApiError that names every invalid field, up to 20.
    """
    if _is_wide(data) or any(map(_is_wide, _values(data))):
        # Before the model, which makes an error of each unknown member: 100,000 of them take a tenth of a second.
        detail = f"An object has more than {_MAX_MEMBERS} members."
        raise body_error(detail, pointer_to(*location), status=status)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
        errors = [FieldError(_plain(e["msg"]), pointer_to(*location, *e["loc"])) for e in items]
        raise ApiError(status, errors[0].detail, code="invalid-body", errors=errors) from None


def _is_wide(data: Any) -> bool:
    return isinstance(data, dict) and len(data) > _MAX_MEMBERS


def _values(data: Any) -> Iterator[Any]:
    """Yield the values of an object, and the items of its lists; the models here are no deeper."""
    for value in data.values() if isinstance(data, dict) else ():
        yield value
        if isinstance(value, list):
            yield from value


def _plain(message: str) -> str:
    """Return pydantic's message without the prefix that it adds to ValueError texts of our validators."""
    return message.removeprefix("Value error, ")
