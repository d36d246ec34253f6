"""GET /v1/outcomes/stream: what happens to deliveries, as it happens."""

import time
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Json
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations
from service.api.errors import parameter_error
from service.api.outcome_streams import OutcomeQuery, OutcomeStreams, lifetime_s
from service.api.representations.schemas import error_responses, response, schema_ref
from service.api.routes.operate.access import Services
from service.api.routes.operate.deliveries import Chosen, DeliveryOutcome, outcome_document
from service.model.mask import mask_value
from service.model.outcome import Outcome
from service.pipeline.operate.cursors import positions_in

router = APIRouter(prefix="/v1/outcomes", tags=["deliveries"])

_LONGEST_ID = 4096


class OutcomeEvent(BaseModel):
    """An event of the stream. `data` is JSON on one line, of the schema in `contentSchema`."""

    event: Literal["outcome"]
    id: str
    data: Json[DeliveryOutcome]


@router.get(
    "/stream",
    operation_id="stream_outcomes",
    summary="Stream outcomes",
    response_class=Response,
    responses={
        200: response(
            schema_ref(OutcomeEvent),
            "Server-sent events; the schema describes one event.",
            "text/event-stream",
        ),
        **error_responses(400, 401, 403, 429, 501, 503),
    },
)
async def stream_outcomes(
    *,
    request: Request,
    principal: MayReadOperations,
    services: Services,
    chosen: Chosen,
    last_event_id: Annotated[
        str | None,
        Header(max_length=_LONGEST_ID, description="The id of the last event that the client received."),
    ] = None,
    last_event_id_query: Annotated[
        str,
        Query(
            alias="last_event_id",
            max_length=_LONGEST_ID,
            description="As the header Last-Event-ID, which comes first.",
        ),
    ] = "",
) -> Response:
    """Stream the outcomes that match as they come, from now on, from a time (`since`), or after Last-Event-ID.

    Nothing is left out: a client that reads slowly falls behind, and one that comes back gets what it has missed as
    long as Kafka keeps it. A comment every 15 seconds keeps the connection open. Addresses are masked.
    """
    topic, resumed = services.topics.outcomes, last_event_id or last_event_id_query
    if resumed:
        try:
            start = positions_in(resumed, {topic})
        except ValueError:
            raise parameter_error("last_event_id", "must be the id of an event of this stream") from None
    else:
        start = await services.log.ends([topic], chosen.since_ms or None)
    streams: OutcomeStreams = request.app.state.outcome_streams
    return streams.response(
        OutcomeQuery(chosen, start, masked_line, lifetime_s(principal.until, time.time()))
    )


def masked_line(outcome: Outcome) -> bytes:
    """Return an outcome as JSON on one line, with addresses masked."""
    return orjson.dumps(mask_value(outcome_document(outcome)))
