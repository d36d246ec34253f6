"""What every request and answer passes: a limit on bodies, headers that keep browsers honest."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.errors import ApiError, respond
from service.api.metrics import observe

MAX_BODY = 1024 * 1024
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def too_large() -> ApiError:
    """The answer to a body beyond the limit; the rest of it is not read."""
    return ApiError(413, "The body is larger than 1 MiB.", code="too-large", headers={"Connection": "close"})


class ApiMiddleware:
    """The one middleware. Counts body bytes as they come, so that a length that lies is of no use."""

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

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS, *scope.get("tocsin.headers", ())]
            await send(message)

        try:
            if _declared_length(scope) > MAX_BODY:
                await respond(scope, too_large())(scope, receive, answer)
            else:
                await self._app(scope, _counted(receive), answer)
        finally:
            observe(scope, status, time.perf_counter() - began)


def set_headers(scope: Scope, *headers: tuple[bytes, bytes]) -> None:
    """Headers for the answer, whatever it will be; those that were set before are dropped."""
    scope["tocsin.headers"] = headers


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 0
    return 0


def _counted(receive: Receive) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise too_large()
        return message

    return counted
