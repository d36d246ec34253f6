"""Search by event, person, address or delivery: the history of every delivery, and who was not notified and why."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, Deps
from service.api.errors import parameter_error
from service.console.disclosure import disclosed
from service.console.guard import GuardedRoute, Reader
from service.console.pages import PATH
from service.console.state import console_of
from service.model.ids import event_of_delivery, is_delivery_id
from service.pipeline.operate.explain import ExplainQuery

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_LONGEST = 1024
_EVENTS, _DELIVERIES = 20, 200
_EMPTY: dict[str, Any] = {"people": [], "events": [], "relays": [], "problems": []}


@router.get("/search")
async def search(
    request: Request, session: Reader, deps: Deps, *, q: str = "", recipient: str = "", type: str = ""
) -> Response:
    """Return what is known of an event, a person, an address or a delivery, whichever the text is."""
    q, recipient = q.strip(), recipient.strip()
    if max(len(q), len(recipient), len(type)) > _LONGEST:
        raise parameter_error("q", f"must have at most {_LONGEST} characters")
    document = await _explained(deps, q, recipient, type) if q or recipient else _EMPTY
    context = {
        "q": q,
        "recipient": recipient,
        "type": type,
        "document": await disclosed(request, deps, document, recipient or (q if "@" in q else "")),
        "chosen": q if is_delivery_id(q) else "",
    }
    return console_of(request).pages.render(request, "search.html", context)


async def _explained(deps: ApiDeps, text: str, recipient: str, type_name: str) -> dict[str, Any]:
    """Return the explanation of a text: an address, a delivery's id, else an event; a recipient where that is none."""
    if deps.explain is None:
        return _EMPTY
    of_person = ExplainQuery(type=type_name, limit=_EVENTS)
    if recipient:
        is_address = "@" in recipient
        of_person = replace(
            of_person, address=recipient if is_address else "", recipient="" if is_address else recipient
        )
        if not text:
            return await deps.explain(of_person)
    elif "@" in text:
        document = await deps.explain(replace(of_person, address=text))
        if document["people"] or document["events"]:
            return document
    event = event_of_delivery(text) if is_delivery_id(text) else text
    document = await deps.explain(replace(of_person, event=event, limit=_DELIVERIES))
    if document["events"] or recipient:
        return document
    return await deps.explain(replace(of_person, recipient=text))
