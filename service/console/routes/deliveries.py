"""Deliveries by state, type, recipient, channel, relay, reason and time, newest first."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import Deps
from service.api.errors import ApiError
from service.console.disclosure import disclosed
from service.console.guard import GuardedRoute, Reader, services_of
from service.console.outcome_form import outcome_filter, query_of
from service.console.pages import PATH
from service.console.state import console_of
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.reasons import Reason

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_SHOWN = 50


@router.get("/deliveries")
async def deliveries(request: Request, session: Reader, deps: Deps, after: str = "") -> Response:
    """Return a page of the list."""
    query = query_of(request)
    try:
        page = await services_of(request).deliveries.page(outcome_filter(deps, query), _SHOWN, after[:2000])
    except ValueError as error:
        raise ApiError(400, str(error), code="invalid-parameter") from None
    rows = [_row(one) for one in page.deliveries]
    context = {
        "query": query,
        "states": [one.value for one in State],
        "reasons": [one for one in Reason if one.value],
        "rows": await disclosed(request, deps, rows, query["recipient"]),
        "next": page.next,
        "searched_to_ms": page.searched_to_ms,
    }
    return console_of(request).pages.render(request, "deliveries.html", context)


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        "delivery": outcome.delivery,
        "recipient": outcome.recipient,
        "channel": outcome.channel,
        "type": outcome.type,
        "state": outcome.state.value,
        "at_ms": outcome.at_ms,
        "why": outcome.reason.text or outcome.detail,
        "relay": outcome.relay,
        "reply": outcome.reply,
        "next_ms": outcome.next_ms,
    }
