"""What waits in Redis for its next attempt: how much, in which state, and when it is due."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations
from service.api.representations.schemas import error_responses, response, schema_ref
from service.api.routes.operate.access import Services, document
from service.model.catalogue import Lane
from service.model.ledger import State
from service.pipeline.operate.due_hours import due_hours

router = APIRouter(prefix="/v1/due", tags=["deliveries"])


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


class DueReport(BaseModel):
    """The due set. `overdue` ones are dispatched as soon as the stage `schedule` comes to them."""

    total: int
    overdue: int
    oldest_ms: int | None = Field(description="The earliest time at which one is due; null if nothing waits.")
    hours: list[DueHour] = Field(description="The next 24 hours.")
    later: int
    groups: list[WaitingGroup]


@router.get(
    "",
    operation_id="get_due",
    summary="Get what waits for its next attempt",
    responses={200: response(schema_ref(DueReport)), **error_responses(401, 403, 429, 501, 503)},
)
async def get_due(principal: MayReadOperations, services: Services) -> Response:
    """Count what waits for its next attempt, by hour, lane and state. GET /v1/deliveries?state=deferred lists it."""
    report = await due_hours(services.due, services.clock.now_ms())
    return await document(report.document(), personal=True)
