"""The middleware of every request: limits on the body, security headers on the response, errors, metrics."""

import time
from collections.abc import Mapping

import structlog
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.cors import CorsPolicy
from service.api.errors import ApiError, error_of, error_response, route_path
from service.api.methods import MethodTable
from service.api.metrics import observe
from service.api.protocol.connection_limits import MAX_BODY_BYTES
from service.api.webhook import EVENTS_PATH, webhook_permission
from service.observability.exception_text import fault_of

HEAD_ONLY = "tocsin.head"
"""In the scope of a GET that was a HEAD: the body is not sent."""
CACHED = "tocsin.cached"
"""In the scope of a request whose response says itself how it may be cached."""
PUBLIC = "tocsin.public"
"""In the scope of a request whose response says itself that pages of any origin may read it."""
log = structlog.get_logger(__name__)
_CLIENT_CLOSED = 499
_INTERNAL = "The request failed for a reason that is not the caller's."
_BODY_HEADERS = {b"content-length", b"content-encoding"}
_CACHED_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_HEADERS = (*_CACHED_HEADERS, (b"cache-control", b"no-store"))


class ApiMiddleware:
    """The only middleware. It counts body bytes as they arrive, so a false Content-Length cannot bypass the limit.

    `plain` are routes, by method and path, whose functions need nothing but the request: they are called without
    FastAPI's dependency machinery, which takes longer than the most frequent requests themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        plain: Mapping[tuple[str, str], APIRoute],
        methods: MethodTable,
        root_path: str = "",
        events_limit: str = "",
        *,
        cors_origins: str = "",
        behind_proxy: bool = True,
    ) -> None:
        self._app = app
        self._cors = CorsPolicy(cors_origins)
        self._plain = plain
        self._methods = methods
        self._events_limit = events_limit
        self._warns_of_proxy = not behind_proxy
        self._root_path = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._root_path and not scope.get("root_path"):
            scope["root_path"] = self._root_path
        began = time.perf_counter()
        status, started = 500, False
        cors = self._cors.headers(scope["headers"])

        async def send_with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                ours = _CACHED_HEADERS if CACHED in scope else _HEADERS
                theirs = () if PUBLIC in scope else cors
                message["headers"] = [*message["headers"], *ours, *theirs, *scope.get("tocsin.headers", ())]
            elif HEAD_ONLY in scope:
                message["body"] = b""
            await send(message)

        method = scope["method"]
        if method == "HEAD":
            # A copy: the server looks at its own to leave out the body.
            scope = {**scope, "method": "GET", HEAD_ONLY: True}
        try:
            await self._serve(method, scope, receive, send_with_headers)
        except ClientDisconnect:
            status = _CLIENT_CLOSED  # the client takes no response, and an operator has nothing to do
        except Exception as error:
            known = None if started else error_of(error)
            if known is None:
                # Not the text: it may quote the request. Here rather than in the server, which logs the text too.
                log.error("request_failed", route=getattr(scope.get("route"), "path", ""), **fault_of(error))
            if not started:  # else the server closes the connection, because the response is not complete
                answer = error_response(scope, known or ApiError(500, _INTERNAL))
                await answer(scope, receive, send_with_headers)
        finally:
            observe(scope, method, status, time.perf_counter() - began)

    async def _serve(self, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        # Before authentication, and before any byte of the body is read.
        if answer := self._early_response(method, path, scope):
            await answer(scope, receive, send)
        elif route := self._plain.get((scope["method"], path)):
            scope["route"] = route
            response: Response = await route.endpoint(Request(scope, _limited(receive), send))
            await response(scope, receive, send)
        else:
            await self._app(scope, _limited(receive), send)

    def _early_response(self, method: str, path: str, scope: Scope) -> Response | None:
        """Return the response to a request that no route needs to see, or None."""
        names = {name for name, _ in scope["headers"]}
        if self._warns_of_proxy and b"x-forwarded-for" in names:
            self._warns_of_proxy = False  # once: a client could write the log with it
            log.warning("forwarded_address_ignored", setting="TOCSIN_HTTP__FORWARDED_ALLOW_IPS")
        try:
            self._methods.check(method, path)
        except ApiError as error:
            return error_response(scope, error)
        if not names.isdisjoint(_BODY_HEADERS) and (refusal := _body_refusal(scope)):
            return error_response(scope, refusal)
        if method == "OPTIONS" and (headers := self._methods.headers(path)):
            if path == EVENTS_PATH:
                headers |= webhook_permission(scope["headers"], self._events_limit)
            headers |= self._cors.preflight_headers(scope["headers"], headers["Allow"])
            return Response(status_code=204, headers=headers)
        return None


def set_response_headers(scope: Scope, *headers: tuple[bytes, bytes]) -> None:
    """Set headers for the response, whichever it will be; replaces those of an earlier call."""
    scope["tocsin.headers"] = headers


def _body_refusal(scope: Scope) -> ApiError | None:
    """Return the error for a body that is refused by its headers alone, or None."""
    declared_bytes = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared_bytes = int(value) if value.isdigit() and len(value) < 20 else 0
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            headers = {"Accept-Encoding": "identity", "Connection": "close"}
            return ApiError(415, "The body must not be compressed.", code="content-encoding", headers=headers)
    return _body_too_large() if declared_bytes > MAX_BODY_BYTES else None


def _body_too_large() -> ApiError:
    """Return the error for a body beyond the limit; the connection closes, because the rest is not read."""
    return ApiError(413, "The body is larger than 1 MiB.", code="too-large", headers={"Connection": "close"})


def _limited(receive: Receive) -> Receive:
    """Return a `receive` that raises ApiError 413 once the body exceeds the limit."""
    total_bytes = 0

    async def limited() -> Message:
        nonlocal total_bytes
        message = await receive()
        total_bytes += len(message.get("body", b""))
        if total_bytes > MAX_BODY_BYTES:
            raise _body_too_large()
        return message

    return limited
