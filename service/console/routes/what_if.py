"""What-if as a form: whom an event would notify, or what a change would have altered in the last days."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from service.api.deps import ApiDeps, Deps
from service.api.errors import ApiError, not_found
from service.api.routes.explain import PreferenceForm, WhatIfForm
from service.console.disclosure import disclosed
from service.console.guard import Form, GuardedRoute, Reader, form_of
from service.console.pages import PATH
from service.console.state import console_of
from service.model.event import Event, InvalidEvent
from service.pipeline.resolve import ingest

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_SHOWN = 200
_EXAMPLE = """{
  "id": "what-if-1",
  "source": "/auctions",
  "type": "overbid",
  "recipients": ["alice"],
  "data": {"lot_id": "7"}
}"""


@router.get("/what-if")
async def what_if(request: Request, session: Reader, event: str = "") -> Response:
    """Return the form."""
    return _page(request, {"event": event[:100_000] or _EXAMPLE})


@router.post("/what-if")
async def predict(request: Request, session: Reader, deps: Deps) -> Response:
    """Predict; nothing is published or sent, so a viewer may do it."""
    if deps.what_if is None:
        raise not_found("what-if")
    form = await form_of(request)
    try:
        if form.get("kind") == "change":
            result = await deps.what_if.change(*_change(form), limit=_SHOWN)
        else:
            result = await deps.what_if.event(_event(deps, form.get("event", "")), limit=_SHOWN)
    except ApiError as error:
        return _page(request, form, error=error.detail, status=error.status_code)
    return _page(request, form, result=await disclosed(request, deps, result))


def _event(deps: ApiDeps, text: str) -> Event:
    """Return the event of a text as it would be published. Raise ApiError."""
    try:
        event = ingest.parse(
            text.encode(), (), deps.catalogue, deps.clock.now_ms(), bound=deps.settings.clock_bound
        )
    except InvalidEvent as error:
        raise ApiError(422, f"{error.reason.value}: {error}", code="invalid-event") from None
    if not isinstance(event, Event):
        raise ApiError(422, "A withdrawal has no deliveries.", code="invalid-event")
    return event


def _change(form: Form) -> tuple[Any, float]:
    """Return the change that a form describes, and the days. Raise ApiError."""
    try:
        preference = PreferenceForm(
            recipient=form.get("recipient", ""),
            type=form.get("type", ""),
            channel=form.get("channel", ""),
            on=form.get("on") == "yes",
        )
        change = WhatIfForm(preferences=[preference], days=float(form.get("days", "1") or "1"))
    except ValidationError as error:
        first = error.errors()[0]
        raise ApiError(
            422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", code="invalid-body"
        ) from None
    except ValueError:
        raise ApiError(422, "days: must be a number", code="invalid-body") from None
    return change.overlay(), change.days


def _page(
    request: Request, form: Form, *, result: Any = None, error: str = "", status: int = 200
) -> Response:
    context = {"form": {"event": _EXAMPLE, **form}, "result": result, "error": error, "shown": _SHOWN}
    template = "what-if-result.html" if "hx-request" in request.headers else "what-if.html"
    return console_of(request).pages.render(request, template, context, status=status)
