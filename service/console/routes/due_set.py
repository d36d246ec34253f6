"""What waits until a time: the list, and its release, another time for it, or its cancellation, counted first."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import Deps
from service.api.errors import ApiError
from service.console.disclosure import disclosed
from service.console.guard import Form, GuardedRoute, Reader, Writer, form_of, services_of
from service.console.pages import PATH
from service.console.routes.operations import to_operation
from service.console.state import console_of
from service.model.operation import OperationKind
from service.model.reasons import HELD_UNTIL_A_TIME
from service.model.validators import time_ms
from service.pipeline.operate.due_list import DueFilter, WaitingDelivery

router = APIRouter(prefix=f"{PATH}/waiting", include_in_schema=False, route_class=GuardedRoute)

_SHOWN = 50
_FIELDS = ("delivery", "event", "recipient", "type", "reason")
_LONGEST = 1024
_ACTIONS = {
    "release": OperationKind.release,
    "retime": OperationKind.retime,
    "cancel": OperationKind.cancel_due,
}


@router.get("")
async def waiting(request: Request, session: Reader, deps: Deps, after: str = "") -> Response:
    """Return a page of the list."""
    query = {name: request.query_params.get(name, "").strip()[:_LONGEST] for name in _FIELDS}
    chosen = _filter(query)
    try:
        page = await services_of(request).due_list.page(chosen, _SHOWN, after[:2000])
    except ValueError as error:
        raise ApiError(400, str(error), code="invalid-parameter") from None
    rows = await disclosed(request, deps, [_row(one) for one in page.rows], query["recipient"])
    context = {"query": query, "reasons": sorted(HELD_UNTIL_A_TIME), "rows": rows, "next": page.next}
    return console_of(request).pages.render(request, "waiting.html", context)


@router.post("")
async def survey(request: Request, session: Writer) -> Response:
    """Return what would be changed. Nothing is changed."""
    form = await form_of(request)
    chosen, kind, at_ms = _change(form)
    context = {
        "form": {name: form.get(name, "") for name in (*_FIELDS, "action", "at")},
        "action": kind.value,
        "at_ms": at_ms,
        "survey": await services_of(request).due_changes.survey(chosen),
    }
    return console_of(request).pages.render(request, "waiting-change.html", context)


@router.post("/start")
async def start(request: Request, session: Writer) -> Response:
    """Begin to change it; the operation shows how far it is."""
    chosen, kind, at_ms = _change(await form_of(request))
    services = services_of(request)
    total = (await services.due_changes.survey(chosen)).total
    id_ = await services.begin_due_change(session.operator, kind, chosen, at_ms, total=total)
    return to_operation(request, id_)


def _filter(form: Form) -> DueFilter:
    """Return the filter of a form. Raise ApiError for what is no delivery id."""
    values = ([one] if (one := form.get(name, "").strip()) else [] for name in _FIELDS)
    try:
        return DueFilter.of(*values)
    except ValueError as error:
        raise ApiError(422, f"delivery: {error}", code="invalid-parameter") from None


def _change(form: Form) -> tuple[DueFilter, OperationKind, int]:
    """Return the filter of a form, what is done, and its new time (ms). Raise ApiError."""
    kind = _ACTIONS.get(form.get("action", ""))
    if kind is None:
        raise ApiError(422, "action: choose what is to be done.", code="invalid-body")
    at_ms = 0
    if kind is OperationKind.retime:
        try:
            at_ms = time_ms(f"{form.get('at', '')}:00Z")
        except ValueError:
            raise ApiError(422, "at: must be a date and a time (UTC)", code="invalid-body") from None
    return _filter(form), kind, at_ms


def _row(row: WaitingDelivery) -> dict[str, object]:
    return {
        "delivery": row.delivery.id,
        "recipient": row.delivery.recipient,
        "type": row.delivery.type,
        "state": row.state.value if row.state else "",
        "why": row.reason.text or row.reason.value,
        "until_ms": row.until_ms,
        "digest": row.digest,
        "items": row.items,
    }
