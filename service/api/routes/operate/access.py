"""What the operators' routes share: their services, masked documents, the record of who saw addresses."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query
from starlette.responses import Response

from service.api.auth.principal import Principal
from service.api.deps import ApiDeps, Deps
from service.api.errors import ApiError, parameter_error
from service.model.mask import mask_value
from service.model.operation import OperationKind
from service.model.validators import clamp_ms, nearest_time_ms
from service.pipeline.operate.services import OperatorServices

PERSONAL = "operate:personal"
Personal = Annotated[
    bool, Query(description="Do not mask addresses; needs the scope operate:personal, and is recorded.")
]
Since = Annotated[
    str, Query(description="The earliest time: RFC 3339 with a zone, or milliseconds since the epoch.")
]
Until = Annotated[str, Query(description="The time before which, in the same forms.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="The maximum number of items.")]
After = Annotated[str, Query(max_length=4096, description="The value of `next` of the previous page.")]


async def _services(deps: Deps) -> OperatorServices:
    return services_of(deps)


def services_of(deps: ApiDeps) -> OperatorServices:
    """Return the operators' services. Raise ApiError 501 without them."""
    if deps.operate is None:
        raise ApiError(501, "This process has no access to Kafka.", code="not-configured")
    return deps.operate


Services = Annotated[OperatorServices, Depends(_services)]


async def check_personal(
    deps: ApiDeps, principal: Principal, personal: bool, filters: Mapping[str, Any]
) -> None:
    """Before addresses are shown unmasked: check the scope, and record who sees what. Raise ApiError 403, Unavailable.

    `filters` must not name a person.
    """
    if personal:
        if PERSONAL not in principal.scopes:
            raise ApiError(403, f"The scope {PERSONAL} is required.", code="forbidden")
        await services_of(deps).record(principal.name, OperationKind.reveal, filters)


async def document(body: Any, *, personal: bool = False, status: int = 200) -> Response:
    """Return a response with this body, in which addresses are masked unless `personal`."""
    # In a thread: masking the thousand items that a response may have takes a tenth of a second.
    masked = body if personal else await asyncio.to_thread(mask_value, body)
    return Response(orjson.dumps(masked), status, media_type="application/json")


def time_ms(name: str, text: str, default: int) -> int:
    """Return the time of a parameter in milliseconds since the epoch. Raise ApiError."""
    if not text:
        return default
    if text.isdigit() and text.isascii() and len(text) < 16:
        return clamp_ms(int(text))
    try:
        return nearest_time_ms(text)
    except ValueError:
        raise parameter_error(name, "must be a time with a zone (RFC 3339), or milliseconds") from None


def bad_cursor() -> ApiError:
    """Return the error for a cursor of another list."""
    return parameter_error("after", "must be the value of `next` of a page of this list")
