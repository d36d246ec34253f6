"""The recipients table: who people are, and what they want to hear."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.auth.guard import MayChangeTables
from service.api.body import parse_model, read_json
from service.api.deps import Deps
from service.api.docs import answer, json_body, ref, refusals
from service.api.errors import ApiError, bad_parameter, not_found, pointer_to
from service.api.recipient_form import RecipientForm, form_of, recipient_of
from service.model.recipient import Recipient

router = APIRouter(prefix="/v1/recipients", tags=["recipients"])

Id = Annotated[str, Path(min_length=1, max_length=128, description="The recipient.")]
_MERGE_PATCH = "application/merge-patch+json"


class RecipientShown(RecipientForm):
    """A recipient as it stands; `version` grows with every write."""

    id: str
    version: int


class RecipientsShown(BaseModel):
    """Recipients in the order of their ids; `next` is the `after` of the next page, null on the last."""

    recipients: list[RecipientShown]
    next: str | None = Field(description="Null on the last page.")


_SHOWN = answer(ref(RecipientShown))


@router.get(
    "",
    summary="Recipients",
    responses={200: answer(ref(RecipientsShown)), **refusals(400, 401, 403, 429, 503)},
)
async def recipients(
    principal: MayChangeTables,
    deps: Deps,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str, Query(max_length=128, description="The `next` of the page before.")] = "",
) -> Response:
    """In the order of their ids' bytes."""
    rows = await deps.directory.recipients(after, limit + 1)
    page = [_shown(row) for row in rows[:limit]]
    return _json({"recipients": page, "next": page[-1]["id"] if len(rows) > limit else None})


@router.get(
    "/{id}",
    summary="A recipient",
    responses={200: _SHOWN, **refusals(400, 401, 403, 404, 429, 503)},
)
async def recipient(principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """As it stands."""
    return _json(_shown(_there(await deps.writer.read_recipient(id))))


@router.put(
    "/{id}",
    summary="Write a recipient",
    responses={
        200: _SHOWN,
        201: answer(ref(RecipientShown), "It is new."),
        **refusals(400, 401, 403, 409, 413, 422, 429, 503),
    },
    openapi_extra=json_body(ref(RecipientForm)),
)
async def put(request: Request, principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """The whole of it: what is left out gets its default.

    A `version` in the body must be the one that stands, else 409.
    """
    if not id.isprintable() or id.strip() != id:
        raise bad_parameter("id", "must be printable and not begin or end with a space")
    form = parse_model(RecipientForm, await read_json(request))
    made = False

    def change(standing: Recipient | None) -> Recipient:
        nonlocal made
        made = standing is None
        _expect(form, standing)
        return recipient_of(id, form, standing, deps.catalogue, deps.clock.now_ms())

    return _json(_shown(await deps.writer.recipient(id, change)), 201 if made else 200)


@router.patch(
    "/{id}",
    summary="Change a recipient",
    responses={200: _SHOWN, **refusals(400, 401, 403, 404, 409, 413, 422, 429, 503)},
    openapi_extra=json_body({"type": "object"}, _MERGE_PATCH, "application/json"),
)
async def patch(request: Request, principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """A merge patch (RFC 7396): what is named is changed, null takes it away, what is not named stays."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise ApiError(422, "The body must be a JSON object.", code="invalid-body")

    def change(standing: Recipient | None) -> Recipient:
        row = _there(standing)
        form = parse_model(RecipientForm, merge_patch({**form_of(row), "version": row.version}, body))
        _expect(form, row)
        return recipient_of(id, form, row, deps.catalogue, deps.clock.now_ms())

    return _json(_shown(await deps.writer.recipient(id, change)))


@router.delete(
    "/{id}",
    status_code=204,
    summary="Delete a recipient",
    response_class=Response,
    responses=refusals(400, 401, 403, 404, 429, 503),
)
async def delete(principal: MayChangeTables, deps: Deps, id: Id) -> Response:
    """Its inbox stays until it expires; nothing new is delivered."""
    if not await deps.writer.drop_recipient(id):
        raise not_found("recipient")
    return Response(status_code=204)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _expect(form: RecipientForm, standing: Recipient | None) -> None:
    version = standing.version if standing else 0
    if form.version is not None and form.version != version:
        detail = f"The recipient stands at version {version}."
        raise ApiError(
            409, detail, code="version", extra={"pointer": pointer_to("version"), "version": version}
        )


def _there(row: Recipient | None) -> Recipient:
    if row is None:
        raise not_found("recipient")
    return row


def _shown(row: Recipient) -> dict[str, Any]:
    return {"id": row.id, **form_of(row), "version": row.version}


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
