"""The replay wizard: a filter, a count of what it would send again, and the sending, which can be cancelled."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, Deps
from service.api.errors import ApiError, not_found
from service.console.guard import Form, GuardedRoute, Writer, form_of, services_of
from service.console.outcome_form import FIELDS, filter_fields
from service.console.pages import PATH
from service.console.routes.operations import to_operation
from service.console.state import console_of
from service.model.ids import event_of_delivery, is_delivery_id
from service.model.ledger import State
from service.model.reasons import Reason
from service.pipeline.operate.replay import REPLAYABLE, ReplayFilter
from service.pipeline.operate.replays import ReplaySurvey

router = APIRouter(prefix=f"{PATH}/replays", include_in_schema=False, route_class=GuardedRoute)

_RATE, _MOST_RATE = 50.0, 100_000.0


@router.get("")
async def replays(request: Request, session: Writer, deps: Deps, delivery: str = "") -> Response:
    """Return the form; a query fills it, also by a delivery alone."""
    form = {name: request.query_params.get(name, "")[:1024] for name in FIELDS}
    if is_delivery_id(delivery):
        form |= await _of_delivery(deps, delivery)
    return _page(request, form)


@router.post("")
async def survey(request: Request, session: Writer, deps: Deps) -> Response:
    """Return what would be sent again. Nothing is sent."""
    form = await form_of(request)
    try:
        chosen, _ = _filter(deps, form)
        return _page(request, form, await services_of(request).replays.survey(chosen))
    except ApiError as error:
        return _page(request, form, error=error.detail, status=error.status_code)


@router.post("/start")
async def start(request: Request, session: Writer, deps: Deps) -> Response:
    """Begin to send again; the operation shows how far it is."""
    services = services_of(request)
    chosen, rate = _filter(deps, await form_of(request))
    total = (await services.replays.survey(chosen)).total
    return to_operation(request, await services.begin_replay(session.operator, chosen, rate, total))


async def _of_delivery(deps: ApiDeps, delivery: str) -> Form:
    """Return the fields that match one delivery. Raise ApiError for one that the ledger does not have."""
    event = event_of_delivery(delivery)
    entry = await deps.ledger.entry(event, delivery)
    if entry is None:
        raise not_found("delivery")
    was_delivered = entry.state in (State.sent, State.returned, State.delivered, State.digested)
    again = {"again": "yes"} if was_delivered else {}
    return {"event": event, "recipient": entry.recipient, "channel": entry.channel, **again}


def _filter(deps: ApiDeps, form: Form) -> tuple[ReplayFilter, float]:
    """Return the filter and the rate (deliveries a second) of a form. Raise ApiError."""
    values = filter_fields(deps, form)
    if not values:
        raise ApiError(422, "Choose what is to be sent again.", code="invalid-body")
    if states := values.get("states", frozenset()) - REPLAYABLE:
        text = f"state: {', '.join(sorted(states))} cannot be sent again"
        raise ApiError(422, text, code="invalid-body")
    try:
        rate = float(form.get("rate") or _RATE)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MOST_RATE:
        raise ApiError(422, "rate: must be a number above 0", code="invalid-body")
    return ReplayFilter(**values, again=form.get("again") == "yes"), rate


def _page(
    request: Request, form: Form, survey: ReplaySurvey | None = None, *, error: str = "", status: int = 200
) -> Response:
    context = {
        "form": {**dict.fromkeys(FIELDS, ""), "again": "", "rate": f"{_RATE:g}", **form},
        "survey": survey,
        "error": error,
        "states": sorted(one.value for one in REPLAYABLE),
        "reasons": [one.value for one in Reason if one.value],
    }
    return console_of(request).pages.render(request, "replays.html", context, status=status)
