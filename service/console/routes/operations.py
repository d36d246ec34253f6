"""Operations: how far one is, cancelling it, and the audit log of all of them."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.errors import not_found
from service.console.guard import GuardedRoute, Reader, Writer, services_of
from service.console.pages import PATH
from service.console.state import console_of
from service.model.operation import OperationKind

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_SHOWN = 50


@router.get("/audit")
async def audit(
    request: Request, session: Reader, *, operator: str = "", kind: str = "", after: str = ""
) -> Response:
    """Return a page of the operations of all operators, the newest first."""
    operator = operator.strip()
    statuses = await services_of(request).operations.statuses(
        _SHOWN + 1,
        after,
        kinds=frozenset({kind} if kind else ()),
        operators=frozenset({operator} if operator else ()),
    )
    context = {
        "rows": statuses[:_SHOWN],
        "next": statuses[_SHOWN - 1].operation.id if len(statuses) > _SHOWN else "",
        "operator": operator[:300],
        "kind": kind,
        "kinds": [one.value for one in OperationKind],
    }
    return console_of(request).pages.render(request, "audit.html", context)


@router.get("/operations/{id_}")
async def operation(id_: str, request: Request, session: Reader) -> Response:
    """Return one operation; for htmx the part of the page that changes."""
    status = await services_of(request).operations.status(id_)
    if status is None:
        raise not_found("operation")
    template = "operation-now.html" if "hx-request" in request.headers else "operation.html"
    return console_of(request).pages.render(request, template, {"one": status})


@router.post("/operations/{id_}/cancel")
async def cancel(id_: str, request: Request, session: Writer) -> Response:
    """Cancel an operation: what it has done stays done."""
    services = services_of(request)
    if await services.operations.status(id_) is None:
        raise not_found("operation")
    await services.record(session.operator, OperationKind.cancel, {"operation": id_})
    await services.operations.cancel(id_)
    return to_operation(request, id_)


def to_operation(request: Request, id_: str) -> Response:
    """Return the way to the page of an operation."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(f"{root}{PATH}/operations/{id_}", 303)
