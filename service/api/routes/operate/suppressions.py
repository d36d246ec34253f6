"""Suppressions: addresses to which no mail is sent. Only hashes of them are stored, so one is looked up by address."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations, MayWriteOperations
from service.api.errors import parameter_error
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.api.routes.operate.access import Services, document
from service.model.address import check_address
from service.model.mask import mask_text
from service.pipeline.operate.suppressions import KnownSuppression

router = APIRouter(prefix="/v1/suppressions", tags=["suppressions"])


class SuppressionRow(BaseModel):
    """A suppression. `address_key` is a hash: the address itself is not stored."""

    address_key: str
    reason: str = Field(description="As docs/reasons.md lists them.")
    since_ms: int
    until_ms: int | None = Field(description="When it ends by itself; null for never.")
    detail: str


class SuppressionList(BaseModel):
    """Suppressions in force, newest first. `next` is the value of `after` for the next page; null on the last page."""

    suppressions: list[SuppressionRow]
    next: str | None


class SuppressionForm(BaseModel):
    """An address, and why it is suppressed or no longer is; kept in the operation log."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=320)
    reason: str = Field(default="", max_length=300)

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        check_address(address)
        return address


class SuppressionChange(BaseModel):
    """Whether anything was changed."""

    changed: bool


@router.get(
    "",
    operation_id="list_suppressions",
    summary="List suppressions",
    responses={200: response(schema_ref(SuppressionList)), **error_responses(400, 401, 403, 429, 501, 503)},
)
async def list_suppressions(
    principal: MayReadOperations,
    services: Services,
    address: Annotated[str, Query(max_length=320, description="Only this address.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="The maximum number of suppressions.")] = 100,
    after: Annotated[str, Query(max_length=24, description="The value of `next` of the previous page.")] = "",
) -> Response:
    """List the suppressions in force.

    Without `address` it reads the names of all keys of Redis, which takes seconds where there are many.
    """
    if address:
        found = await services.suppressions.find(address)
        return await document({"suppressions": [_row(found)] if found else [], "next": None})
    rows = await services.suppressions.all()
    if after:
        places = [n for n, one in enumerate(rows) if one.address_key == after]
        if not places:
            raise parameter_error("after", "must be the value of `next` of a page of this list")
        rows = rows[places[0] + 1 :]
    more = rows[limit - 1].address_key if len(rows) > limit else None
    return await document({"suppressions": [_row(one) for one in rows[:limit]], "next": more})


@router.post(
    "",
    operation_id="add_suppression",
    summary="Suppress an address",
    responses={
        200: response(schema_ref(SuppressionChange)),
        **error_responses(400, 401, 403, 413, 422, 429, 501, 503),
    },
    openapi_extra=request_body(schema_ref(SuppressionForm)),
)
async def add_suppression(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Send no mail to an address from now on, except of mandatory types."""
    form = parse_model(SuppressionForm, await read_json(request))
    await services.change_suppression(principal.name, form.address, form.reason, suppress=True)
    return await document({"changed": True})


@router.post(
    "/remove",
    operation_id="remove_suppression",
    summary="End a suppression",
    responses={
        200: response(schema_ref(SuppressionChange)),
        **error_responses(400, 401, 403, 413, 422, 429, 501, 503),
    },
    openapi_extra=request_body(schema_ref(SuppressionForm)),
)
async def remove_suppression(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Allow mail to an address again, and clear its soft-bounce score. The address is in the body: URLs are logged."""
    form = parse_model(SuppressionForm, await read_json(request))
    changed = await services.change_suppression(principal.name, form.address, form.reason, suppress=False)
    return await document({"changed": changed})


def _row(known: KnownSuppression) -> dict[str, Any]:
    row = known.suppression
    return {
        "address_key": known.address_key,
        "reason": row.reason.value,
        "since_ms": row.at_ms,
        "until_ms": row.until_ms or None,
        "detail": mask_text(row.detail),
    }
