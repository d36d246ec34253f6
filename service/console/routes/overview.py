"""The first page: what is wrong, and the settings of the session."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.deps import Deps
from service.console.guard import GuardedRoute, PrivacyOfficer, Reader, form_of
from service.console.pages import PATH
from service.console.sign_in import next_path
from service.console.state import console_of

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)


@router.get("")
async def overview(request: Request, session: Reader, deps: Deps) -> Response:
    """Return the overview."""
    return console_of(request).pages.render(request, "overview.html", {})


@router.post("/addresses")
async def show_addresses(request: Request, session: PrivacyOfficer) -> Response:
    """Show addresses from now on, or mask them again. Each page that shows them is in the operation log."""
    form = await form_of(request)
    request.state.session = session._replace(shows_addresses=form.get("show") == "yes")
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(root + next_path(form.get("next", "")), 303)
