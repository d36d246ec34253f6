"""GET /v1/explain and POST /v1/what-if: the history of deliveries, and predictions for an event or a change."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations
from service.api.deps import Deps
from service.api.errors import ApiError, not_found, parameter_error
from service.api.representations.body import parse_model, read_json
from service.api.representations.cloud_event import CloudEvent
from service.api.representations.explanations import ChangePrediction, EventPrediction, Explanation
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.api.routes.operate.access import check_personal, document, time_ms
from service.model.event import Event, InvalidEvent
from service.model.mask import mask_text
from service.model.operation import pseudonym
from service.model.recipient import Group, preference_key
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.table_overlay import TableOverlay
from service.pipeline.resolve import ingest

router = APIRouter(prefix="/v1", tags=["explain"])

_MAX_CHARACTERS = 1024


class PreferenceForm(BaseModel):
    """A hypothetical preference. `recipient` is the id of a recipient or a contact."""

    model_config = ConfigDict(extra="forbid")

    recipient: str = Field(min_length=1, max_length=128)
    type: str
    channel: str = Field(pattern="^(email|inbox)$")
    on: bool


class GroupForm(BaseModel):
    """Hypothetical address lists of a group, which replace its current ones."""

    model_config = ConfigDict(extra="forbid")

    external_id: str
    project_id: str = ""
    addresses: dict[str, tuple[str, ...]]


class WhatIfForm(BaseModel):
    """Either an `event` as it would be published, or `preferences` or `groups` to apply to the last `days`."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[dict[str, Any], WithJsonSchema(schema_ref(CloudEvent))] | None = None
    preferences: list[PreferenceForm] = []
    groups: list[GroupForm] = []
    days: float = Field(default=1, gt=0, le=31)

    @model_validator(mode="after")
    def _event_or_changes(self) -> "WhatIfForm":
        if (self.event is None) != bool(self.preferences or self.groups):
            raise ValueError("needs either an event, or preferences or groups")
        return self

    def overlay(self) -> TableOverlay:
        """Return the hypothetical preferences and groups as an overlay of the tables."""
        choices: dict[str, dict[str, bool]] = {}
        for form in self.preferences:
            choices.setdefault(form.recipient, {})[preference_key(form.type, form.channel)] = form.on
        return TableOverlay(choices, [Group(**group.model_dump()) for group in self.groups])


@router.get(
    "/explain",
    operation_id="explain_deliveries",
    summary="Explain deliveries",
    responses={200: response(schema_ref(Explanation)), **error_responses(400, 401, 403, 404, 429, 503)},
)
async def explain(
    *,
    principal: MayReadOperations,
    deps: Deps,
    event: Annotated[
        str, Query(max_length=_MAX_CHARACTERS, description="The event's id, or its key in the ledger.")
    ] = "",
    source: Annotated[str, Query(max_length=_MAX_CHARACTERS, description="The event's source.")] = "",
    recipient: Annotated[str, Query(max_length=128, description="The recipient's id.")] = "",
    address: Annotated[
        str, Query(max_length=320, description="An email address; cannot be combined with `recipient`.")
    ] = "",
    type: Annotated[str, Query(max_length=128, description="A notification type.")] = "",
    since: Annotated[
        str, Query(description="The earliest time: RFC 3339 with a zone, or milliseconds since the epoch.")
    ] = "",
    limit: Annotated[
        int, Query(ge=1, le=1000, description="The maximum number of deliveries of an event.")
    ] = 100,
    personal: Annotated[bool, Query(description="Include addresses unmasked.")] = False,
) -> Response:
    """Return the history of an event, of a recipient's deliveries, or of both, and why a recipient was not notified.

    At least one of `event`, `recipient` and `address` is required. Times in the response are milliseconds since the
    epoch.
    """
    if deps.explain is None:
        raise not_found("ledger")
    if not (event or recipient or address):
        raise parameter_error("event", "an event, a recipient or an address is required")
    if recipient and address:
        raise parameter_error("address", "cannot be combined with recipient")
    people = {"recipient": recipient, "address": address}
    filters = {name: pseudonym(value) for name, value in people.items() if value}
    await check_personal(deps, principal, personal, {"event": mask_text(event), **filters})
    body = await deps.explain(
        ExplainQuery(event, source, recipient, address, type, time_ms("since", since, 0), limit)
    )
    if not body["events"]:
        raise not_found("event" if event else "delivery")
    return await document(body, personal=personal)


@router.post(
    "/what-if",
    operation_id="predict_deliveries",
    summary="Predict deliveries",
    responses={
        200: response({"anyOf": [schema_ref(EventPrediction), schema_ref(ChangePrediction)]}),
        **error_responses(400, 401, 403, 404, 413, 422, 429, 503),
    },
    openapi_extra=request_body(schema_ref(WhatIfForm)),
)
async def what_if(
    request: Request,
    principal: MayReadOperations,
    deps: Deps,
    personal: Annotated[bool, Query(description="Include addresses unmasked.")] = False,
) -> Response:
    """Predict the deliveries of an event, with the rule behind each, or how a change would have altered past ones.

    Nothing is published or sent.
    """
    if deps.what_if is None:
        raise not_found("what-if")
    form = parse_model(WhatIfForm, await read_json(request))
    if form.event is None:
        await check_personal(deps, principal, personal, {"what_if": "a change"})
        return await document(await deps.what_if.change(form.overlay(), form.days), personal=personal)
    try:
        event = ingest.parse(
            orjson.dumps(form.event),
            (),
            deps.catalogue,
            deps.clock.now_ms(),
            bound=deps.settings.clock_bound,
        )
    except InvalidEvent as error:
        reason = {"reason": error.reason.value}
        raise ApiError(422, str(error), code="invalid-event", extra=reason) from None
    if not isinstance(event, Event):
        raise ApiError(422, "A withdrawal has no deliveries.", code="invalid-event")
    await check_personal(deps, principal, personal, {"what_if": mask_text(event.id)})
    return await document(await deps.what_if.event(event), personal=personal)
