"""Suppressions: the list, one address, adding and removing."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.deps import Deps
from service.api.errors import ApiError
from service.console.disclosure import disclosed
from service.console.guard import GuardedRoute, Reader, Writer, form_of, services_of
from service.console.pages import PATH
from service.console.session import ConsoleSession
from service.console.state import console_of
from service.pipeline.operate.suppressions import KnownSuppression

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
    await _change(request, session, suppress=True)
    return _back(request, "added")


@router.post("/remove")
async def remove(request: Request, session: Writer) -> Response:
    """Allow mail to an address again."""
    return _back(request, "removed" if await _change(request, session, suppress=False) else "none")


async def _change(request: Request, session: ConsoleSession, *, suppress: bool) -> bool:
    """Add or end the suppression of a form; return whether anything was changed. Raise ApiError, Unavailable."""
    form = await form_of(request)
    address, why = form.get("address", "").strip(), form.get("reason", "").strip()[:_LONGEST_REASON]
    try:
        return await services_of(request).change_suppression(
            session.operator, address, why, suppress=suppress
        )
    except ValueError as error:
        raise ApiError(422, f"address: {error}", code="invalid-body") from None


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
