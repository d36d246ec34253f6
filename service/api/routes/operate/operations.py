"""Operations: what operators have done and are doing, who, and how far it is; and replays, which take longest."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations, MayWriteOperations
from service.api.errors import ApiError, not_found
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import Absent, error_responses, request_body, response, schema_ref
from service.api.routes.operate.access import Services, document
from service.model.channels import Channel
from service.model.ledger import State
from service.model.operation import OperationKind
from service.model.validators import MAX_TIME_MS
from service.pipeline.operate.operations import OperationState, OperationStatus
from service.pipeline.operate.replay import REPLAYABLE, ReplayFilter
from service.pipeline.operate.replays import ReplaySurvey
from service.pipeline.operate.services import OperatorServices

router = APIRouter(prefix="/v1", tags=["operations"])

_ID = Annotated[str, Path(max_length=64, description="The operation's id.")]
Names = frozenset[str]
_WEEK_MS = 7 * 86_400_000


class OperationView(BaseModel):
    """An operation and how far it is. `total` is the number of items that it was to settle when it began."""

    id: str
    action: OperationKind
    state: OperationState = Field(
        description="`interrupted`: its process has ended before it; what it has done stays done."
    )
    who: str = Field(description="The operator: a user of the system, `service:` a key, `console:` a person.")
    began_ms: int
    at_ms: int = Field(description="The time of its newest record.")
    filters: dict[str, Any] = Field(
        description="What it was to affect, without names and addresses of persons."
    )
    counts: dict[str, int]
    total: int | Absent = None
    error: str | Absent = None


BEGUN = response(
    schema_ref(OperationView), "The change has begun; GET /v1/operations/{id} shows how far it is."
)
"""What a change answers that is made in the background."""


class OperationList(BaseModel):
    """Operations, newest first."""

    operations: list[OperationView]
    next: str | None = Field(description="The value of `after` for the next page; null on the last page.")


class ReplayForm(BaseModel):
    """Deliveries to send again, by their latest outcomes. An empty list matches everything.

    Without `states`: those that ended undelivered, and those that wait for an operator. Suppressions, preferences and
    withdrawals apply. `again` also sends what was delivered. Without `since_ms`: the outcomes of the last seven days.
    """

    model_config = ConfigDict(extra="forbid")

    events: Names = Field(default=frozenset(), max_length=1000, description="Events by id or key.")
    sources: Names = Field(default=frozenset(), max_length=1000)
    types: Names = Field(default=frozenset(), max_length=1000)
    recipients: Names = Field(default=frozenset(), max_length=1000)
    channels: frozenset[Channel] = frozenset()
    states: frozenset[State] = frozenset()
    relays: Names = Field(default=frozenset(), max_length=1000)
    reply_codes: Names = Field(default=frozenset(), max_length=1000)
    reasons: Names = Field(default=frozenset(), max_length=1000)
    since_ms: int | None = Field(default=None, ge=0, le=MAX_TIME_MS)
    until_ms: int | None = Field(default=None, ge=0, le=MAX_TIME_MS)
    rate: float = Field(default=50.0, ge=0.1, le=10_000, description="Deliveries a second at most.")
    again: bool = False
    dry_run: bool = False

    @field_validator("states")
    @classmethod
    def _replayable(cls, states: frozenset[State]) -> frozenset[State]:
        if not_replayable := sorted(states - REPLAYABLE):
            raise ValueError(
                f"{not_replayable[0]} cannot be replayed; allowed: {', '.join(sorted(REPLAYABLE))}"
            )
        return states

    @model_validator(mode="after")
    def _in_order(self) -> "ReplayForm":
        if self.until_ms is not None and self.until_ms <= (self.since_ms or 0):
            raise ValueError("until_ms must be after since_ms")
        return self

    def chosen(self, now_ms: int) -> ReplayFilter:
        """Return the filter."""
        return ReplayFilter(
            events=self.events,
            sources=self.sources,
            types=self.types,
            recipients=self.recipients,
            channels=frozenset(map(str, self.channels)),
            states=self.states,
            relays=self.relays,
            codes=self.reply_codes,
            reasons=self.reasons,
            since_ms=max(0, now_ms - _WEEK_MS) if self.since_ms is None else self.since_ms,
            until_ms=now_ms if self.until_ms is None else self.until_ms,
            again=self.again,
        )


class ReplayCount(BaseModel):
    """How many deliveries have the same state, reason and channel."""

    state: State
    reason: str
    channel: Channel
    count: int


class ReplayPlan(BaseModel):
    """What a replay would send again.

    `delivered`: left alone, because they were delivered; `lost`: those without a record on a dispatch topic.
    """

    total: int
    delivered: int
    lost: int
    counts: list[ReplayCount]


@router.post(
    "/replays",
    operation_id="start_replay",
    summary="Send deliveries again",
    responses={
        200: response(
            schema_ref(ReplayPlan), "What would be sent; nothing was (`dry_run`, or nothing matches)."
        ),
        202: response(
            schema_ref(OperationView), "The replay has begun; GET /v1/operations/{id} shows its progress."
        ),
        **error_responses(400, 401, 403, 413, 422, 429, 501, 503),
    },
    openapi_extra=request_body(schema_ref(ReplayForm)),
)
async def start_replay(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Send deliveries again, in the bulk lane and with a new deadline, or count them (`dry_run`).

    It is begun in the background, and recorded on `dispatch.audit`.
    """
    form = parse_model(ReplayForm, await read_json(request))
    chosen = form.chosen(services.clock.now_ms())
    survey = await services.replays.survey(chosen)
    if form.dry_run or not survey.total:
        return await document(replay_document(survey))
    id_ = await services.begin_replay(principal.name, chosen, form.rate, survey.total)
    return await begun(services, id_)


async def begun(services: OperatorServices, id_: str) -> Response:
    """Return the answer to a request that has begun an operation. Raise Unavailable."""
    status = await services.operations.status(id_)
    assert status is not None
    return await document(operation_document(status), status=202)


@router.get(
    "/operations",
    operation_id="list_operations",
    summary="List operations",
    responses={200: response(schema_ref(OperationList)), **error_responses(400, 401, 403, 429, 501, 503)},
)
async def list_operations(
    *,
    principal: MayReadOperations,
    services: Services,
    action: Annotated[list[OperationKind] | None, Query(description="Only these; repeatable.")] = None,
    who: Annotated[list[str] | None, Query(description="Only these operators; repeatable.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="The maximum number of operations.")] = 100,
    after: Annotated[str, Query(max_length=64, description="The id of the last operation of a page.")] = "",
) -> Response:
    """List what operators have done, by any way, newest first: the audit log."""
    kinds, operators = frozenset(action or ()), frozenset(who or ())
    statuses = await services.operations.statuses(limit + 1, after, kinds=kinds, operators=operators)
    page = statuses[:limit]
    last = page[-1].operation.id if len(statuses) > limit else None
    return await document(
        {"operations": [operation_document(one) for one in page], "next": last}, personal=True
    )


@router.get(
    "/operations/{id}",
    operation_id="get_operation",
    summary="Get an operation",
    responses={
        200: response(schema_ref(OperationView)),
        **error_responses(400, 401, 403, 404, 429, 501, 503),
    },
)
async def get_operation(principal: MayReadOperations, services: Services, id: _ID) -> Response:
    """Get an operation and how far it is."""
    return await document(operation_document(await _existing(services, id)), personal=True)


@router.post(
    "/operations/{id}/cancel",
    status_code=202,
    operation_id="cancel_operation",
    summary="Cancel an operation",
    responses={
        202: response(schema_ref(OperationView), "It does no further part."),
        **error_responses(400, 401, 403, 404, 409, 413, 429, 501, 503),
    },
)
async def cancel_operation(principal: MayWriteOperations, services: Services, id: _ID) -> Response:
    """Cancel an operation that runs in the background. What it has done stays done."""
    status = await _existing(services, id)
    if status.state is not OperationState.running or status.total is None:
        raise ApiError(
            409, f"The operation is {status.state}, or does not run in a server.", code="not-running"
        )
    await services.record(principal.name, OperationKind.cancel, {"operation": id})
    await services.operations.cancel(id)
    return await document(operation_document(status), personal=True, status=202)


def replay_document(survey: ReplaySurvey) -> dict[str, Any]:
    """Return a survey as JSON."""
    return {
        "total": survey.total,
        "delivered": survey.delivered,
        "lost": survey.lost,
        "counts": [
            {"state": state, "reason": reason, "channel": channel, "count": count}
            for (state, reason, channel), count in sorted(survey.counts.items())
        ],
    }


def operation_document(status: OperationStatus) -> dict[str, Any]:
    """Return an operation as JSON."""
    one = status.operation
    body: dict[str, Any] = {
        "id": one.id,
        "action": one.kind.value,
        "state": status.state.value,
        "who": one.operator,
        "began_ms": one.began_ms,
        "at_ms": one.at_ms,
        "filters": dict(one.filters),
        "counts": dict(status.counts),
    }
    if status.total is not None:
        body["total"] = status.total
    return body | {"error": status.error} if status.error else body


async def _existing(services: OperatorServices, id_: str) -> OperationStatus:
    status = await services.operations.status(id_)
    if status is None:
        raise not_found("operation")
    return status
