"""The server of /metrics: its own port, so that the API's port shows nothing of the process to the outside."""

import asyncio
import socket
from contextlib import suppress

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.api.metrics import exposition
from service.observability.http_server import observability_server
from service.pipeline.operate.problems import Observer

log = structlog.get_logger(__name__)


def metrics_app(observer: Observer) -> Starlette:
    """Return the application that answers /metrics."""

    async def metrics(request: Request) -> Response:
        return await exposition(observer, request.headers.get("accept", ""))

    return Starlette(routes=[Route("/metrics", metrics)])


class MetricsServer:
    """The server while it runs. A port that is in use is logged: the API itself must not depend on its metrics."""

    def __init__(self, host: str, port: int, observer: Observer) -> None:
        self._address = (host, port)
        self._observer = observer
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, unless the port is 0."""
        host, port = self._address
        if not port:
            return
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(self._address)
        except OSError as error:
            listener.close()
            log.error("metrics_port_unavailable", host=host, port=port, error=error.strerror)
            return
        self._server = observability_server(metrics_app(self._observer))
        await self._server.startup([listener])
        self._loop = asyncio.create_task(self._server.main_loop(), name="metrics-server")

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is None or self._loop is None:
            return
        self._server.should_exit = True
        with suppress(asyncio.CancelledError):
            await self._loop
        await self._server.shutdown()
