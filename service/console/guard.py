"""The guard of every route of the console: who is signed in, forged requests, and errors as pages.

A request that changes something has to come from a page of ours: by what the browser says of its origin (Fetch
Metadata, Origin), and by the token of the session, which only our pages have.
"""

import hmac
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from service.api.deps import deps_of
from service.api.errors import ApiError, error_of, route_path
from service.api.routes.operate.access import services_of as operator_services_of
from service.console.access import PERSONAL, READ, WRITE
from service.console.pages import PATH
from service.console.session import ConsoleSession
from service.console.state import console_of
from service.pipeline.operate.services import OperatorServices

Form = Mapping[str, str]
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_SAFE = frozenset(("GET", "HEAD"))
_MAX_FIELDS = 1000


class OpenRoute(APIRoute):
    """A route without a session: errors are pages, and a request that changes something is from a page of ours."""

    def get_route_handler(self) -> _Handler:
        """Return the handler."""
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            try:
                if request.method not in _SAFE:
                    check_origin(request)
                return await handler(request)
            except Exception as error:
                return error_page(request, error)

        return serve


class GuardedRoute(APIRoute):
    """A route for those who are signed in."""

    def get_route_handler(self) -> _Handler:
        """Return the handler."""
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            console, now_s = console_of(request), deps_of(request).clock.now_ms() / 1000
            session, request.state.session = None, None
            try:
                session = await console.session(request, now_s)
                if session is None:
                    return _sign_in_first(request)
                request.state.session = session
                if request.method not in _SAFE:
                    check_origin(request)
                    await _check_token(request, session)
                response = await handler(request)
            except Exception as error:
                response = error_page(request, error)
            current: ConsoleSession | None = request.state.session
            if session is None:
                return response
            if current and _is_by_hand(request):
                current = console.sessions.seen(current, now_s)
            if current != session:  # seen again, or changed or ended by the route
                console.keep_session(response, current)
            return response

        return serve


def _is_by_hand(request: Request) -> bool:
    """Return whether a person has opened a page or sent a form: what a page reads by itself keeps no session alive."""
    mode = request.headers.get("sec-fetch-mode", "navigate")
    return request.method not in _SAFE or (mode == "navigate" and "hx-request" not in request.headers)


def _sign_in_first(request: Request) -> Response:
    """Return the way to the sign-in page, and from there back."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    path = route_path(request.scope)
    if request.method in _SAFE and "hx-request" not in request.headers:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{root}{PATH}/sign-in?{urlencode({'next': path + query})}", 303)
    # htmx leaves the page for the address in this header; a form gets the status
    return Response(status_code=401, headers={"HX-Redirect": f"{root}{PATH}/sign-in"})


def check_origin(request: Request) -> None:
    """Raise ApiError 403 unless the browser says that a page of ours has sent the request.

    Pages send no referrer, so the Origin of a form is `null`; then Sec-Fetch-Site has to say it.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = console_of(request).origin(request)
    is_ours = origin in (None, "null", ours) if site == "same-origin" else site is None and origin == ours
    if not is_ours:
        raise ApiError(403, "The request was not sent by a page of this console.", code="forged-request")


async def _check_token(request: Request, session: ConsoleSession) -> None:
    token = request.headers.get("x-csrf-token") or (await form_of(request)).get("csrf", "")
    if not hmac.compare_digest(token.encode(errors="replace"), session.token.encode()):
        raise ApiError(403, "The page is from another session; open it again.", code="forged-request")


async def form_of(request: Request) -> Form:
    """Return the fields of a form; the last one of a name counts. Raise ApiError."""
    return dict(await fields_of(request))


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form in their order. Raise ApiError."""
    try:
        body = (await request.body()).decode()
        return parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ApiError(400, "The form cannot be read.", code="invalid-body") from None


def error_page(request: Request, error: Exception) -> Response:
    """Return the page for an error of a route; for htmx the line that it shows. Raise an unforeseen one again."""
    known = error_of(error)
    if known is None:
        raise error
    template = "notice.html" if "hx-request" in request.headers else "error.html"
    context = {"status": known.status_code, "detail": known.detail, "errors": known.errors}
    headers = dict(known.headers or {})
    return console_of(request).pages.render(
        request, template, context, status=known.status_code, headers=headers
    )


def _having(right: str) -> Any:
    async def check(request: Request) -> ConsoleSession:
        session: ConsoleSession = request.state.session
        if not session.may(right):
            raise ApiError(403, "Your roles do not allow this.", code="forbidden")
        return session

    return Depends(check)


def services_of(request: Request) -> OperatorServices:
    """Return what operators see and do. Raise ApiError where this process has none of it."""
    return operator_services_of(deps_of(request))


Reader = Annotated[ConsoleSession, _having(READ)]
Writer = Annotated[ConsoleSession, _having(WRITE)]
PrivacyOfficer = Annotated[ConsoleSession, _having(PERSONAL)]
