"""GET /v1/explain and POST /v1/what-if: what became of events and recipients, and what would become of them."""

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from service.api.auth.guard import MayOperate
from service.api.body import parse_model, read_json
from service.api.deps import Deps
from service.api.docs import answer, json_body, ref, refusals
from service.api.errors import ApiError, bad_parameter, not_found
from service.model.event import Event, InvalidEvent
from service.model.mask import mask_value
from service.model.recipient import Group, preference_key
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.table_overlay import TableOverlay
from service.pipeline.resolve import ingest

router = APIRouter(prefix="/v1", tags=["explain"])

_STRUCTURED = (("content-type", b"application/cloudevents+json"),)
_MOST = 1024
_EPOCH = datetime.fromtimestamp(0, UTC)


class PreferenceForm(BaseModel):
    """A choice that nobody has made. `recipient` is a recipient's or a contact's id."""

    model_config = ConfigDict(extra="forbid")

    recipient: str = Field(min_length=1, max_length=128)
    type: str
    channel: str = Field(pattern="^(email|inbox)$")
    on: bool


class GroupForm(BaseModel):
    """A group's lists, in place of those there are."""

    model_config = ConfigDict(extra="forbid")

    external_id: str
    project_id: str = ""
    addresses: dict[str, tuple[str, ...]]


class WhatIfForm(BaseModel):
    """Either an `event`, as it would be published, or changes to look at the last `days` with."""

    model_config = ConfigDict(extra="forbid")

    event: dict[str, Any] | None = None
    preferences: list[PreferenceForm] = []
    groups: list[GroupForm] = []
    days: float = Field(default=1, gt=0, le=31)

    @model_validator(mode="after")
    def _one_question(self) -> "WhatIfForm":
        if (self.event is None) != bool(self.preferences or self.groups):
            raise ValueError("needs either an event, or preferences or groups")
        return self

    def change(self) -> TableOverlay:
        """The changes that were asked about."""
        chosen: dict[str, dict[str, bool]] = {}
        for one in self.preferences:
            chosen.setdefault(one.recipient, {})[preference_key(one.type, one.channel)] = one.on
        return TableOverlay(chosen, [Group(**group.model_dump()) for group in self.groups])


@router.get(
    "/explain",
    summary="Explain what happened",
    responses={200: answer({"type": "object"}), **refusals(400, 401, 403, 404, 429, 503)},
)
async def explain(
    *,
    principal: MayOperate,
    deps: Deps,
    event: Annotated[str, Query(max_length=_MOST, description="An event's id, or its key.")] = "",
    source: Annotated[str, Query(max_length=_MOST, description="The event's source.")] = "",
    recipient: Annotated[str, Query(max_length=128)] = "",
    address: Annotated[str, Query(max_length=320)] = "",
    type: Annotated[str, Query(max_length=128)] = "",
    since: Annotated[str, Query(description="A time (RFC 3339), or milliseconds since the epoch.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Deliveries an event.")] = 100,
    personal: Annotated[bool, Query(description="Do not mask addresses.")] = False,
) -> Response:
    """The path of an event, of what a recipient was due, or both; also why somebody got nothing.

    Times are milliseconds since the epoch.
    """
    if deps.explain is None:
        raise not_found("ledger")
    if not (event or recipient or address):
        raise bad_parameter("event", "an event, a recipient or an address must be named")
    if recipient and address:
        raise bad_parameter("address", "not together with recipient")
    document = await deps.explain(
        ExplainQuery(event, source, recipient, address, type, _moment_ms(since), limit)
    )
    if not document["events"]:
        raise not_found("event" if event else "delivery")
    return _json(document, personal=personal)


@router.post(
    "/what-if",
    summary="Ask who would be notified",
    responses={200: answer({"type": "object"}), **refusals(400, 401, 403, 404, 413, 422, 429, 503)},
    openapi_extra=json_body(ref(WhatIfForm)),
)
async def what_if(
    request: Request,
    principal: MayOperate,
    deps: Deps,
    personal: Annotated[bool, Query(description="Do not mask addresses.")] = False,
) -> Response:
    """Of an event, who would get what, and by which rule; of a change, what it would have changed. Nothing is sent."""
    if deps.what_if is None:
        raise not_found("what-if")
    form = parse_model(WhatIfForm, await read_json(request))
    if form.event is None:
        return _json(await deps.what_if.change(form.change(), form.days), personal=personal)
    try:
        event = ingest.parse(orjson.dumps(form.event), _STRUCTURED, deps.catalogue, deps.clock.now_ms())
    except InvalidEvent as error:
        reason = {"reason": error.reason.value}
        raise ApiError(422, str(error), code="invalid-event", extra=reason) from None
    if not isinstance(event, Event):
        raise ApiError(422, "A withdrawal notifies nobody.", code="invalid-event")
    return _json(await deps.what_if.event(event), personal=personal)


def _moment_ms(text: str) -> int:
    if text.isdigit() and text.isascii() and len(text) < 16:
        return int(text)
    try:
        moment = datetime.fromisoformat(text) if text else _EPOCH
        return max(0, int((moment - _EPOCH).total_seconds() * 1000))
    except (ValueError, TypeError):  # TypeError: it has no zone
        raise bad_parameter("since", "must be a time with its zone (RFC 3339), or milliseconds") from None


def _json(document: Any, *, personal: bool) -> Response:
    body = document if personal else mask_value(document)
    return Response(orjson.dumps(body), media_type="application/json")
