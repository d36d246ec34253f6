"""Suppressions: the list, one address, adding and removing."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.deps import Deps
from service.api.errors import ApiError
from service.console.disclosure import disclosed
from service.console.guard import Form, GuardedRoute, Reader, Writer, form_of, services_of
from service.console.pages import PATH
from service.console.state import console_of
from service.model.address import check_address
from service.model.operation import OperationKind, OperationPhase
from service.pipeline.operate.suppressions import KnownSuppression, logged_change

router = APIRouter(prefix=f"{PATH}/suppressions", include_in_schema=False, route_class=GuardedRoute)

_SHOWN = 200
_LONGEST_REASON = 300


@router.get("")
async def suppressions(
    request: Request, session: Reader, deps: Deps, *, address: str = "", done: str = ""
) -> Response:
    """Return the list, or the suppression of one address."""
    services, address = services_of(request), address.strip()[:320]
    if address:
        one = await services.suppressions.find(address)
        rows = [one] if one else []
    else:
        rows = list(await services.suppressions.all())
    context = {
        "address": address,
        "done": done if done in ("added", "removed", "none") else "",
        "total": len(rows),
        "rows": await disclosed(request, deps, [_row(one) for one in rows[:_SHOWN]], address),
    }
    return console_of(request).pages.render(request, "suppressions.html", context)


@router.post("/add")
async def add(request: Request, session: Writer) -> Response:
    """Send no mail to an address, except of mandatory types. It is recorded before it is done, and after."""
    services = services_of(request)
    address, why = _change(await form_of(request))
    log = services.operation_log(session.operator, OperationKind.suppress, logged_change(address, why))
    await log.write(OperationPhase.begun, {})
    await services.suppressions.add(address, why, log)
    await log.write(OperationPhase.ended, {"changed": 1})
    return _back(request, "added")


@router.post("/remove")
async def remove(request: Request, session: Writer) -> Response:
    """Allow mail to an address again."""
    services = services_of(request)
    address, why = _change(await form_of(request))
    log = services.operation_log(session.operator, OperationKind.unsuppress, logged_change(address, why))
    await log.write(OperationPhase.begun, {})
    changed = await services.suppressions.remove(address)
    await log.write(OperationPhase.ended, {"changed": int(changed)})
    return _back(request, "removed" if changed else "none")


def _change(form: Form) -> tuple[str, str]:
    """Return the address and the reason of a form. Raise ApiError."""
    address = form.get("address", "").strip()
    try:
        check_address(address)
    except ValueError as error:
        raise ApiError(422, f"address: {error}", code="invalid-body") from None
    return address, form.get("reason", "").strip()[:_LONGEST_REASON]


def _row(one: KnownSuppression) -> dict[str, object]:
    key, row = one
    return {
        "key": key,
        "reason": row.reason.text or row.reason.value,
        "at_ms": row.at_ms,
        "until_ms": row.until_ms,
        "detail": row.detail,
    }


def _back(request: Request, done: str) -> Response:
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(f"{root}{PATH}/suppressions?done={done}", 303)
