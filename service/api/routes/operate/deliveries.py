"""Deliveries: lists by what they are and what became of them, and one with its history."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query
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
    Until,
    bad_cursor,
    check_personal,
    document,
    time_ms,
)
from service.model.channels import Channel
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.validators import MAX_TIME_MS
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.outcome_filter import OutcomeFilter

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])

Names = list[str]
_ID = Annotated[str, Path(min_length=1, max_length=64, description="The delivery's id.")]


class DeliveryOutcome(BaseModel):
    """A delivery by its latest outcome, as `dispatch.outcomes` carries it. Times are milliseconds since the epoch."""

    delivery: str = Field(description="The delivery's id.")
    event: str = Field(description="The event's key in the ledger.")
    type: str
    recipient: str
    channel: Channel
    state: State
    at_ms: int = Field(description="Since when it is in this state.")
    reason: str | Absent = Field(default=None, description="As docs/reasons.md lists them.")
    attempt: int | Absent = None
    detail: str | Absent = None
    relay: str | Absent = None
    reply: str | Absent = Field(default=None, description="The relay's own words.")
    next_ms: int | Absent = Field(default=None, description="When the next attempt is due.")
    event_id: str | Absent = None
    source: str | Absent = None
    found: str | Absent = Field(default=None, description="The rule of the audience that matched.")
    scope: str | Absent = Field(default=None, description="The row that it matched.")
    received_ms: int | Absent = Field(default=None, description="When Kafka got the event.")


class DeliveryList(BaseModel):
    """Deliveries, newest first. A page may be short, even empty, and have a `next` one."""

    deliveries: list[DeliveryOutcome]
    next: str | None = Field(description="The value of `after` for the next page; null on the last page.")
    searched_to_ms: int = Field(description="All that is newer than this has been searched.")


async def outcome_filter(
    *,
    state: Annotated[list[State] | None, Query(description="Only these states; repeatable.")] = None,
    type: Annotated[Names | None, Query(description="Only these notification types; repeatable.")] = None,
    recipient: Annotated[Names | None, Query(description="Only these recipients; repeatable.")] = None,
    channel: Annotated[list[Channel] | None, Query(description="Only this channel.")] = None,
    relay: Annotated[
        Names | None, Query(description="Only what these relays replied to; repeatable.")
    ] = None,
    code: Annotated[
        Names | None, Query(description="Only these reply codes: 550, or 5.1.1; repeatable.")
    ] = None,
    reason: Annotated[Names | None, Query(description="Only these reasons; repeatable.")] = None,
    event: Annotated[Names | None, Query(description="Only these events, by id or key; repeatable.")] = None,
    source: Annotated[Names | None, Query(description="Only events of these sources; repeatable.")] = None,
    since: Since = "",
    until: Until = "",
) -> OutcomeFilter:
    """Return the filter that a query describes. Raise ApiError."""
    return OutcomeFilter(
        events=frozenset(event or ()),
        sources=frozenset(source or ()),
        types=frozenset(type or ()),
        recipients=frozenset(recipient or ()),
        channels=frozenset(channel or ()),
        states=frozenset(state or ()),
        relays=frozenset(relay or ()),
        codes=frozenset(code or ()),
        reasons=frozenset(reason or ()),
        since_ms=time_ms("since", since, 0),
        until_ms=time_ms("until", until, MAX_TIME_MS),
    )


Chosen = Annotated[OutcomeFilter, Depends(outcome_filter)]


@router.get(
    "",
    operation_id="list_deliveries",
    summary="List deliveries",
    responses={200: response(schema_ref(DeliveryList)), **error_responses(400, 401, 403, 429, 501, 503)},
)
async def list_deliveries(
    *,
    principal: MayReadOperations,
    deps: Deps,
    services: Services,
    chosen: Chosen,
    limit: Limit = 100,
    after: After = "",
    personal: Personal = False,
) -> Response:
    """List deliveries by their latest outcomes, newest first; those of a recipient by when they were made.

    A page searches 50,000 records of Kafka at most: with a filter that few deliveries match, follow `next`.
    """
    await check_personal(deps, principal, personal, {"list": "deliveries"})
    try:
        page = await services.deliveries.page(chosen, limit, after)
    except ValueError:
        raise bad_cursor() from None
    body = {
        "deliveries": [outcome_document(one) for one in page.deliveries],
        "next": page.next or None,
        "searched_to_ms": page.searched_to_ms,
    }
    return await document(body, personal=personal)


@router.get(
    "/{id}",
    operation_id="get_delivery",
    summary="Get a delivery",
    responses={
        200: response(schema_ref(Explanation)),
        **error_responses(400, 401, 403, 404, 429, 501, 503),
    },
)
async def get_delivery(
    principal: MayReadOperations, deps: Deps, services: Services, id: _ID, personal: Personal = False
) -> Response:
    """Get one delivery with its event, its whole history, what relays have said, and what it waits for."""
    await check_personal(deps, principal, personal, {"delivery": id})
    body = await deps.explain(ExplainQuery(delivery=id)) if deps.explain is not None else {"events": []}
    if not body["events"]:
        raise not_found("delivery")
    return await document(body, personal=personal)


def outcome_document(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as JSON, without empty fields."""
    fields: dict[str, object] = msgspec.to_builtins(outcome)
    return fields
