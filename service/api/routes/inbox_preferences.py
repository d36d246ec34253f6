"""The caller's preferences: every type that they can be notified of, by channel, and what stops it."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.api.auth.guard import MayReadInbox
from service.api.deps import Deps
from service.api.errors import body_error, not_found, pointer_to
from service.api.representations.body import parse_model, read_json
from service.api.representations.preference_sheet import (
    InboxPreferenceChanges,
    InboxPreferences,
    sheet_document,
)
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.pipeline.tables.preference_centre import (
    PreferenceChange,
    PreferenceOwner,
    PreferenceSheet,
    TimesChange,
)

router = APIRouter(prefix="/v1/inbox/preferences", tags=["inbox"])

Locale = Annotated[
    str | None,
    Query(max_length=35, description="The language of titles and sentences; the recipient's own by default."),
]


@router.get(
    "",
    operation_id="list_inbox_preferences",
    summary="List the caller's preferences",
    responses={
        200: response(schema_ref(InboxPreferences)),
        **error_responses(400, 401, 403, 404, 429, 503),
    },
)
async def inbox_preferences(principal: MayReadInbox, deps: Deps, locale: Locale = None) -> Response:
    """List every type that the caller can be notified of, by channel, with what is mandatory and what is stopped.

    A suppression of the address stops email whatever is chosen; only an operator ends it. 404 if the recipients table
    does not have the caller.
    """
    sheet = await deps.preference_centre.read(PreferenceOwner(principal.id))
    return _document(sheet, locale)


@router.patch(
    "",
    operation_id="change_inbox_preferences",
    summary="Change the caller's preferences",
    responses={
        200: response(schema_ref(InboxPreferences)),
        **error_responses(400, 401, 403, 404, 413, 422, 429, 503),
    },
    openapi_extra=request_body(schema_ref(InboxPreferenceChanges)),
)
async def change_inbox_preferences(
    request: Request, principal: MayReadInbox, deps: Deps, locale: Locale = None
) -> Response:
    """Change some of the caller's preferences, all or none, and list all. They are in force once this has answered.

    To turn email of a type on also ends an unsubscribe. A mandatory type cannot be turned off (422). Mail that is held
    is timed again by a new frequency, zone or quiet hours; null stands for the default quiet hours.
    """
    form = parse_model(InboxPreferenceChanges, await read_json(request))
    if not form.model_fields_set:
        raise body_error("There is nothing to change.", pointer_to("preferences"))
    changes = [PreferenceChange(row.type, row.channel, row.on, row.frequency) for row in form.preferences]
    times = TimesChange()
    if form.timezone is not None:
        times["timezone"] = form.timezone
    if "quiet_hours" in form.model_fields_set:
        times["quiet_hours"] = form.quiet_hours
    sheet = await deps.preference_centre.change(PreferenceOwner(principal.id), changes, times)
    return _document(sheet, locale)


def _document(sheet: PreferenceSheet | None, locale: str | None) -> Response:
    if sheet is None:
        raise not_found("recipient")
    body = sheet_document(sheet, locale or sheet.locale)
    return Response(orjson.dumps(body), media_type="application/json")
