"""Events as upstream services have published them, newest first, and one with its deliveries."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations
from service.api.deps import Deps
from service.api.errors import not_found
from service.api.representations.explanations import Explanation
from service.api.representations.schemas import Absent, error_responses, response, schema_ref
from service.api.routes.operate.access import (
    After,
    Limit,
    Personal,
    Services,
    Since,
    bad_cursor,
    check_personal,
    document,
    time_ms,
)
from service.model.mask import mask_text
from service.pipeline.operate.event_search import EventFilter, FoundEvent
from service.pipeline.operate.explain import ExplainQuery

router = APIRouter(prefix="/v1/events", tags=["events"])


class EventRow(BaseModel):
    """A record of a topic of events. One that is refused has a `reason`, and its dead letter has the record."""

    position: str = Field(description="Topic, partition and offset.")
    at_ms: int = Field(description="When Kafka got it, or the time that its producer set.")
    key: str | Absent = Field(default=None, description="The event's key in the ledger.")
    id: str | Absent = None
    source: str | Absent = None
    type: str | Absent = Field(default=None, description="The notification type; a withdrawal has none.")
    time_ms: int | Absent = None
    recipients: int | Absent = Field(default=None, description="How many recipients it names.")
    withdrawal: bool | Absent = None
    reason: str | Absent = Field(default=None, description="Why it is refused, as docs/reasons.md lists it.")
    detail: str | Absent = None


class EventList(BaseModel):
    """Events, newest first. A page may be short, even empty, and have a `next` one."""

    events: list[EventRow]
    next: str | None = Field(description="The value of `after` for the next page; null on the last page.")


@router.get(
    "",
    operation_id="list_events",
    summary="List events",
    responses={200: response(schema_ref(EventList)), **error_responses(400, 401, 403, 429, 501, 503)},
)
async def list_events(
    *,
    principal: MayReadOperations,
    services: Services,
    type: Annotated[list[str] | None, Query(description="Only these notification types; repeatable.")] = None,
    source: Annotated[list[str] | None, Query(description="Only these sources; repeatable.")] = None,
    refused: Annotated[bool, Query(description="Only events that are refused.")] = False,
    since: Since = "",
    limit: Limit = 100,
    after: After = "",
) -> Response:
    """List the events of upstream services as Kafka keeps them, newest first. A page reads 50,000 records at most."""
    chosen = EventFilter(frozenset(type or ()), frozenset(source or ()), time_ms("since", since, 0), refused)
    try:
        page = await services.events.page(chosen, limit, after)
    except ValueError:
        raise bad_cursor() from None
    return await document({"events": [_row(one) for one in page.events], "next": page.next or None})


@router.get(
    "/{id}",
    operation_id="get_event",
    summary="Get an event",
    responses={
        200: response(schema_ref(Explanation)),
        **error_responses(400, 401, 403, 404, 429, 501, 503),
    },
)
async def get_event(
    *,
    principal: MayReadOperations,
    deps: Deps,
    services: Services,
    id: Annotated[str, Path(max_length=1024, description="The event's key or id.")],
    limit: Limit = 100,
    personal: Personal = False,
) -> Response:
    """Get an event with the sums of its deliveries, and up to `limit` of them with their histories."""
    await check_personal(deps, principal, personal, {"event": mask_text(id)})
    body: dict[str, Any] = {"events": []}
    if deps.explain is not None:
        body = await deps.explain(ExplainQuery(event=id, limit=limit))
    if not body["events"]:
        raise not_found("event")
    return await document(body, personal=personal)


def _row(event: FoundEvent) -> dict[str, Any]:
    record = event.record
    row: dict[str, Any] = {
        "position": f"{record.topic}:{record.partition}:{record.offset}",
        "at_ms": record.timestamp_ms,
    }
    if event.reason is not None:
        return row | {"reason": event.reason.value, "detail": event.detail}
    row |= {"key": event.key, "id": event.id, "source": event.source, "time_ms": event.time_ms}
    if event.withdrawal:
        return row | {"withdrawal": True}
    return row | {"type": event.type, "recipients": event.named}
