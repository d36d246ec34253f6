"""Signing in and out: at the OpenID provider, or in `tocsin dev` by one click."""

import re
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.auth.principal import BadCredential
from service.api.deps import Deps
from service.api.errors import ApiError, not_found
from service.api.protocol.connection_limits import network_of
from service.api.rate_limits import enforce_rate_limit
from service.console.access import roles_in
from service.console.guard import GuardedRoute, OpenRoute, form_of
from service.console.openid import SignInAttempt
from service.console.pages import PATH
from service.console.session import ConsoleSession
from service.console.state import Console, console_of
from service.ports import Unavailable

log = structlog.get_logger(__name__)
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=OpenRoute)
session_router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_ATTEMPT_S = 600
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_NEXT = re.compile(rf"{PATH}(?:/[A-Za-z0-9%._~/@:+-]*)?(?:\?[^\s\\#]*)?")
DEV_ROLES = {"operator": ("operator", "privacy"), "viewer": ("viewer",)}
"""What one click in dev mode makes of the caller."""


@router.get("/sign-in")
async def sign_in(request: Request, next: str = "") -> Response:
    """Return the page with the ways to sign in."""
    console = console_of(request)
    context = {"next": next_path(next), "provider": console.provider.host if console.provider else ""}
    return console.pages.render(request, "sign-in.html", context)


@router.get("/sign-in/provider")
async def to_provider(request: Request, deps: Deps, next: str = "") -> Response:
    """Send the browser to the provider."""
    console = console_of(request)
    if console.provider is None:
        raise not_found("provider")
    attempt = SignInAttempt.begin(next_path(next), deps.clock.now_ms() / 1000 + _ATTEMPT_S)
    response = RedirectResponse(await console.provider.authorization_url(attempt), 303)
    console.keep_attempt(response, attempt)
    return response


@router.get("/callback")
async def callback(request: Request, deps: Deps) -> Response:
    """Begin the session of the person who comes back from the provider."""
    console, now_s = console_of(request), deps.clock.now_ms() / 1000
    if console.provider is None:
        raise not_found("provider")
    kept = console.attempt(request)
    attempt = SignInAttempt(*kept) if isinstance(kept, list) else None
    try:
        if attempt is None or attempt.until_s < now_s:
            raise BadCredential("the sign-in took too long, or was begun in another browser")
        # before the provider is asked: a caller can invent codes
        await enforce_rate_limit(
            request, "passwords", network_of(request.client.host) if request.client else ""
        )
        claims = await console.provider.claims(request.query_params, attempt)
    except BadCredential as error:
        log.warning("console_sign_in_failed", reason=str(error))
        response = _refusal(request, f"{str(error)[0].upper()}{str(error)[1:]}.", 400)
    else:
        own = console.settings.console
        name = str(claims.get("name") or claims.get("preferred_username") or claims["sub"])[:100]
        session = ConsoleSession.begin(
            claims["sub"], name, roles_in(claims, own.roles_claim, own.roles), now_s
        )
        response = _begun(request, console, session, attempt.next)
    console.keep_attempt(response, None)
    return response


@router.post("/sign-in/dev")
async def sign_in_dev(request: Request, deps: Deps) -> Response:
    """Begin a session by one click; only in `tocsin dev`, on this machine."""
    console = console_of(request)
    if console.settings.mode != "dev":
        raise not_found("page")
    if urlsplit(f"//{request.headers.get('host', '')}").hostname not in _LOOPBACK:
        raise ApiError(403, "This button is for this machine only.", code="forbidden")
    form = await form_of(request)
    role = form.get("role", "")
    if role not in DEV_ROLES:
        raise ApiError(422, "There is no such role.", code="invalid-body")
    session = ConsoleSession.begin(f"dev-{role}", f"Dev {role}", DEV_ROLES[role], deps.clock.now_ms() / 1000)
    return _begun(request, console, session, next_path(form.get("next", "")))


@session_router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session, here and, where it has a page for that, at the provider."""
    console = console_of(request)
    session: ConsoleSession = request.state.session
    try:
        await console.ended.add(session.id, console.settings.console.lifetime)
    except Unavailable as error:  # this browser forgets the session all the same
        log.warning("console_sign_out_not_noted", operator=session.operator, error=error.reason)
    request.state.session = None
    log.info("console_sign_out", operator=session.operator)
    url = await console.provider.sign_out_url(f"{console.url}{PATH}/sign-in") if console.provider else ""
    return console.pages.render(request, "signed-out.html", {"provider_url": url})


def _begun(request: Request, console: Console, session: ConsoleSession, path: str) -> Response:
    """Return the way to the page that the person came for; without a role, the page that says so."""
    if not session.roles:
        log.warning("console_sign_in_failed", reason="no_role", operator=session.operator)
        text = f"You are signed in as {session.name}, and have no role in this console."
        return _refusal(request, text, 403)
    log.info("console_sign_in", operator=session.operator, roles=session.roles)
    root = str(request.scope.get("root_path", "")).rstrip("/")
    response = RedirectResponse(root + path, 303)
    console.keep_session(response, session)
    return response


def _refusal(request: Request, text: str, status: int) -> Response:
    return console_of(request).pages.render(request, "refused.html", {"detail": text}, status=status)


def next_path(path: str) -> str:
    """Return a path of the console to continue with; its first page for any other address."""
    return path if _NEXT.fullmatch(path) else PATH
