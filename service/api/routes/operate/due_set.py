"""What waits in Redis: how much, why and until when; and its release, another time for it, or its cancellation."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations, MayWriteOperations
from service.api.auth.principal import Principal
from service.api.deps import Deps
from service.api.errors import body_error, parameter_error
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import Absent, error_responses, request_body, response, schema_ref
from service.api.routes.operate.access import (
    After,
    Limit,
    Personal,
    Services,
    bad_cursor,
    check_personal,
    document,
)
from service.api.routes.operate.operations import BEGUN, begun
from service.model.catalogue import Lane
from service.model.channels import Channel
from service.model.ledger import State
from service.model.operation import OperationKind
from service.model.validators import MAX_TIME_MS
from service.pipeline.operate.due_hours import due_hours
from service.pipeline.operate.due_list import DueFilter
from service.pipeline.operate.services import OperatorServices

router = APIRouter(prefix="/v1/due", tags=["deliveries"])

Names = list[str]


class DueHour(BaseModel):
    """How many deliveries are due in a span of time, the end excluded."""

    from_ms: int
    to_ms: int
    count: int


class WaitingGroup(BaseModel):
    """How many deliveries of a lane wait in a state."""

    lane: Lane
    state: State
    count: int


class HeldGroup(BaseModel):
    """How many deliveries of a lane are held until a time for a reason."""

    lane: Lane
    reason: str = Field(description="As docs/reasons.md lists them.")
    count: int


class DueReport(BaseModel):
    """The due set. `overdue` ones are dispatched as soon as the stage `schedule` comes to them."""

    total: int
    overdue: int
    oldest_ms: int | None = Field(description="The earliest time at which one is due; null if nothing waits.")
    hours: list[DueHour] = Field(description="The next 24 hours.")
    later: int
    groups: list[WaitingGroup]
    held: list[HeldGroup]


class WaitingRow(BaseModel):
    """A delivery that waits. Times are milliseconds since the epoch."""

    delivery: str = Field(description="The delivery's id.")
    event: str = Field(description="The event's key in the ledger.")
    event_id: str
    source: str
    type: str = Field(description="The notification type; `digest` for a digest.")
    recipient: str
    channel: Channel
    lane: Lane
    state: State | None = Field(description="Null where the ledger does not have it.")
    reason: str = Field(description="Why it waits, as docs/reasons.md lists them.")
    until_ms: int = Field(description="Until when it waits; 0 for an item whose digest is being sent.")
    digest: str | Absent = Field(default=None, description="Of an item: the delivery id of its digest.")
    items: int | Absent = Field(default=None, description="Of a digest: how many items it has.")


class WaitingList(BaseModel):
    """What waits, in the order of times. A page may be short, even empty, and have a `next` one."""

    deliveries: list[WaitingRow]
    next: str | None = Field(description="The value of `after` for the next page; null on the last page.")


class DueChoice(BaseModel):
    """What waits and is to be changed: by ids or filters, or `all`. With `dry_run` it is only counted."""

    model_config = ConfigDict(extra="forbid")

    ids: Names = Field(default=[], max_length=1000, description="Delivery ids.")
    events: Names = Field(default=[], max_length=1000, description="Events by id or key.")
    recipients: Names = Field(default=[], max_length=1000)
    types: Names = Field(default=[], max_length=1000)
    reasons: Names = Field(default=[], max_length=1000)
    all: bool = False
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_choice(self) -> "DueChoice":
        filters = bool(self.ids or self.events or self.recipients or self.types or self.reasons)
        if filters == self.all:
            raise ValueError("needs ids, filters, or all")
        return self

    def chosen(self) -> DueFilter:
        """Return the filter. Raise ValueError for what is no id."""
        return DueFilter.of(self.ids, self.events, self.recipients, self.types, self.reasons)


class RetimeChoice(DueChoice):
    """What waits, and the time at which it is to be sent, whatever else it waits for."""

    at_ms: int = Field(ge=0, le=MAX_TIME_MS)


class WaitingCount(BaseModel):
    """How many deliveries have the same state, reason and type."""

    state: State | None
    reason: str
    type: str
    count: int


class DuePlan(BaseModel):
    """What a change would affect.

    `items`: those of the digests among it; `others`: of chosen ids, the states of those that do not wait.
    """

    total: int
    items: int
    counts: list[WaitingCount]
    others: dict[str, int]


_PLAN = response(schema_ref(DuePlan), "What would be changed; nothing was (`dry_run`, or nothing matches).")
_CHANGE_ERRORS = error_responses(400, 401, 403, 413, 422, 429, 501, 503)


@router.get(
    "",
    operation_id="get_due",
    summary="Count what waits",
    responses={200: response(schema_ref(DueReport)), **error_responses(401, 403, 429, 501, 503)},
)
async def get_due(principal: MayReadOperations, services: Services) -> Response:
    """Count what waits, by hour, lane and state, and what is held by reason. GET /v1/due/deliveries lists it."""
    report = await due_hours(services.due, services.clock.now_ms())
    return await document(report.document(), personal=True)


@router.get(
    "/deliveries",
    operation_id="list_waiting",
    summary="List what waits",
    responses={200: response(schema_ref(WaitingList)), **error_responses(400, 401, 403, 429, 501, 503)},
)
async def list_waiting(
    *,
    principal: MayReadOperations,
    deps: Deps,
    services: Services,
    delivery: Annotated[Names | None, Query(description="Only these delivery ids; repeatable.")] = None,
    event: Annotated[Names | None, Query(description="Only these events, by id or key; repeatable.")] = None,
    recipient: Annotated[Names | None, Query(description="Only these recipients; repeatable.")] = None,
    type: Annotated[Names | None, Query(description="Only these notification types; repeatable.")] = None,
    reason: Annotated[Names | None, Query(description="Only these reasons; repeatable.")] = None,
    limit: Limit = 100,
    after: After = "",
    personal: Personal = False,
) -> Response:
    """List what waits, why and until when, in the order of times.

    Items of digests are listed with a delivery, an event or a recipient; else their digest is. A page reads 20,000
    deliveries at most: with a filter that few of them match, follow `next`.
    """
    await check_personal(deps, principal, personal, {"list": "due"})
    try:
        chosen = DueFilter.of(delivery, event, recipient, type, reason)
    except ValueError as error:
        raise parameter_error("delivery", str(error)) from None
    try:
        page = await services.due_list.page(chosen, limit, after)
    except ValueError:
        raise bad_cursor() from None
    body = {"deliveries": [one.document() for one in page.rows], "next": page.next or None}
    return await document(body, personal=personal)


@router.post(
    "/release",
    operation_id="release_waiting",
    summary="Send what waits now",
    responses={200: _PLAN, 202: BEGUN, **_CHANGE_ERRORS},
    openapi_extra=request_body(schema_ref(DueChoice)),
)
async def release(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Send what waits now: in quiet hours, over a limit, and an item of a digest alone.

    Suppressions, preferences and withdrawals hold. It is begun in the background and recorded on `dispatch.audit`.
    """
    form = parse_model(DueChoice, await read_json(request))
    return await _change(principal, services, OperationKind.release, form, 0)


@router.post(
    "/retime",
    operation_id="retime_waiting",
    summary="Set another time for what waits",
    responses={200: _PLAN, 202: BEGUN, **_CHANGE_ERRORS},
    openapi_extra=request_body(schema_ref(RetimeChoice)),
)
async def retime(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Set the time at which what waits is sent, in place of every rule. What would expire before is left alone."""
    form = parse_model(RetimeChoice, await read_json(request))
    return await _change(principal, services, OperationKind.retime, form, form.at_ms)


@router.post(
    "/cancel",
    operation_id="cancel_waiting",
    summary="Cancel what waits",
    responses={200: _PLAN, 202: BEGUN, **_CHANGE_ERRORS},
    openapi_extra=request_body(schema_ref(DueChoice)),
)
async def cancel(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Cancel what waits; a digest with all its items. The ledger says `skipped`, `by_operator`."""
    form = parse_model(DueChoice, await read_json(request))
    return await _change(principal, services, OperationKind.cancel_due, form, 0)


async def _change(
    principal: Principal, services: OperatorServices, kind: OperationKind, form: DueChoice, at_ms: int
) -> Response:
    try:
        chosen = form.chosen()
    except ValueError as error:
        raise body_error(f"{error}.", "/ids") from None
    survey = await services.due_changes.survey(chosen)
    if form.dry_run or not survey.total:
        return await document(survey.document())
    id_ = await services.begin_due_change(principal.name, kind, chosen, at_ms, total=survey.total)
    return await begun(services, id_)
