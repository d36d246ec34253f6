"""The middleware of every request: a limit on the body, security headers on the response, and metrics."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.errors import ApiError, error_response
from service.api.metrics import observe

MAX_BODY_BYTES = 1024 * 1024
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class ApiMiddleware:
    """The only middleware. It counts body bytes as they arrive, so a false Content-Length cannot bypass the limit."""

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self._app = app
        self._root_path = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._root_path and not scope.get("root_path"):
            scope["root_path"] = self._root_path
        began = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS, *scope.get("tocsin.headers", ())]
            await send(message)

        try:
            # A declared length is refused before authentication and before any byte of the body is read.
            if _declared_bytes(scope) > MAX_BODY_BYTES:
                await error_response(scope, _body_too_large())(scope, receive, send_with_headers)
            else:
                await self._app(scope, _limited(receive), send_with_headers)
        finally:
            observe(scope, status, time.perf_counter() - began)


def set_response_headers(scope: Scope, *headers: tuple[bytes, bytes]) -> None:
    """Set headers for the response, whichever it will be; replaces those of an earlier call."""
    scope["tocsin.headers"] = headers


def _body_too_large() -> ApiError:
    """Return the error for a body beyond the limit; the connection closes, because the rest is not read."""
    return ApiError(413, "The body is larger than 1 MiB.", code="too-large", headers={"Connection": "close"})


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 0
    return 0


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
