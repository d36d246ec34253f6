"""The recipients table: people and mailboxes with their addresses, roles and preferences."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api.auth.guard import MayChangeTables
from service.api.deps import Deps
from service.api.errors import ApiError, not_found, parameter_error, pointer_to
from service.api.representations.body import parse_model, read_json
from service.api.representations.etag import check_preconditions, etag_of, is_not_modified
from service.api.representations.recipient_form import (
    PreferenceValue,
    RecipientForm,
    Role,
    form_of,
    recipient_of,
)
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.model.holds.calendar import QuietHours
from service.model.recipient import Recipient

PATH = "/v1/recipients"
router = APIRouter(prefix=PATH, tags=["recipients"])

Id = Annotated[str, Path(min_length=1, max_length=128, description="The recipient's id.")]
PATCH_TYPES = ("application/merge-patch+json", "application/json")


class RecipientView(RecipientForm):
    """A stored recipient; every write increases its `version`."""

    id: str
    version: int


class RecipientPatch(BaseModel):
    """Changes of a recipient (RFC 7396): null resets a field, a type's preferences, or one preference."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(default=None, max_length=254)
    name: str | None = Field(default=None, max_length=256)
    locale: str | None = Field(default=None, max_length=64, examples=["de-AT"])
    timezone: str | None = Field(default=None, max_length=64, examples=["Europe/Vienna"])
    roles: list[Role] | None = Field(default=None, max_length=64)
    preferences: dict[str, dict[str, PreferenceValue | None] | None] | None = Field(
        default=None, examples=[{"overbid": {"email": "daily"}}]
    )
    quiet_hours: QuietHours | None = None
    version: int | None = None


class RecipientPage(BaseModel):
    """Recipients sorted by id; `next` is the value of `after` for the next page."""

    recipients: list[RecipientView]
    next: str | None = Field(description="Null on the last page.")


_RECIPIENT = response(schema_ref(RecipientView))


@router.get(
    "",
    operation_id="list_recipients",
    summary="List recipients",
    responses={200: response(schema_ref(RecipientPage)), **error_responses(400, 401, 403, 429, 503)},
)
async def recipients(
    principal: MayChangeTables,
    deps: Deps,
    limit: Annotated[int, Query(ge=1, le=1000, description="The maximum number of recipients.")] = 100,
    after: Annotated[
        str, Query(max_length=128, description="The value of `next` of the previous page.")
    ] = "",
) -> Response:
    """List recipients, sorted by the UTF-8 bytes of their ids."""
    rows = await deps.directory.recipients(after, limit + 1)
    page = [_view(row) for row in rows[:limit]]
    return _json({"recipients": page, "next": page[-1]["id"] if len(rows) > limit else None})


@router.get(
    "/{id}",
    operation_id="get_recipient",
    summary="Get a recipient",
    responses={
        200: _RECIPIENT,
        304: {"description": "The recipient has the version that If-None-Match names."},
        **error_responses(400, 401, 403, 404, 429, 503),
    },
)
async def recipient(request: Request, principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """Get a recipient with its current version, which the ETag has too."""
    row = _existing(await deps.writer.read_recipient(id))
    if is_not_modified(request, row.version):
        return Response(status_code=304, headers={"ETag": etag_of(row.version)})
    return _row(row)


@router.put(
    "/{id}",
    operation_id="put_recipient",
    summary="Write a recipient",
    responses={
        200: _RECIPIENT,
        201: response(schema_ref(RecipientView), "The recipient was created."),
        **error_responses(400, 401, 403, 409, 412, 413, 422, 429, 503),
    },
    openapi_extra=request_body(schema_ref(RecipientForm)),
)
async def put(request: Request, principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """Create or replace a recipient. Fields that are not in the body get their defaults.

    If the body has a `version`, it must be the current one; otherwise the response is 409. The same by If-Match is 412.
    """
    if not id.isprintable() or id.strip() != id:
        raise parameter_error("id", "must be printable and not begin or end with a space")
    form = parse_model(RecipientForm, await read_json(request))
    created = False

    def change(current: Recipient | None) -> Recipient:
        nonlocal created
        created = current is None
        check_preconditions(request, current.version if current else None)
        _check_version(form, current)
        return recipient_of(id, form, current, deps.catalogue, deps.clock.now_ms())

    return _row(await deps.writer.recipient(id, change), 201 if created else 200)


@router.patch(
    "/{id}",
    operation_id="patch_recipient",
    summary="Change a recipient",
    responses={200: _RECIPIENT, **error_responses(400, 401, 403, 404, 409, 412, 413, 422, 429, 503)},
    openapi_extra=request_body(schema_ref(RecipientPatch), *PATCH_TYPES),
)
async def patch(request: Request, principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """Apply a merge patch (RFC 7396): change the fields in the body, reset those that are null, keep the others.

    If the body has a `version`, it must be the current one; otherwise the response is 409.
    """
    body = await read_json(request)
    if not isinstance(body, dict):
        raise ApiError(422, "The body must be a JSON object.", code="invalid-body")

    def change(current: Recipient | None) -> Recipient:
        row = _existing(current)
        check_preconditions(request, row.version)
        form = parse_model(RecipientForm, merge_patch({**form_of(row), "version": row.version}, body))
        _check_version(form, row)
        return recipient_of(id, form, row, deps.catalogue, deps.clock.now_ms())

    return _row(await deps.writer.recipient(id, change))


@router.delete(
    "/{id}",
    status_code=204,
    operation_id="delete_recipient",
    summary="Delete a recipient",
    response_class=Response,
    responses=error_responses(400, 401, 403, 404, 412, 429, 503),
)
async def delete(request: Request, principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """Delete a recipient. It gets no new deliveries; its inbox entries stay until they expire."""

    def check(row: Recipient) -> None:
        check_preconditions(request, row.version)

    if not await deps.writer.drop_recipient(id, check):
        raise not_found("recipient")
    return Response(status_code=204)


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target with the patch applied (RFC 7396, section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _check_version(form: RecipientForm, current: Recipient | None) -> None:
    """Raise ApiError 409 when the form has a version that is not the current one."""
    version = current.version if current else 0
    if form.version is not None and form.version != version:
        detail = f"The current version of the recipient is {version}."
        raise ApiError(
            409, detail, code="version", extra={"pointer": pointer_to("version"), "version": version}
        )


def _existing(row: Recipient | None) -> Recipient:
    """Return the row. Raise ApiError 404 when it is None."""
    if row is None:
        raise not_found("recipient")
    return row


def _view(row: Recipient) -> dict[str, Any]:
    """Return the fields of a RecipientView."""
    return {"id": row.id, **form_of(row), "version": row.version}


def _row(row: Recipient, status: int = 200) -> Response:
    response = _json(_view(row), status)
    response.headers["ETag"] = etag_of(row.version)
    return response


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
