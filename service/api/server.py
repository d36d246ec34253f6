"""The uvicorn server of the API, with limits on its connections; closes live streams before it waits for their end."""

import asyncio
import gc
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.api.protocol.connection import LimitedConnection
from service.api.protocol.connection_limits import ConnectionCounts, ConnectionLimits
from service.settings import HttpSettings

_TICKS_PER_S = 10  # of uvicorn's main loop
_GC_THRESHOLD = 10_000  # allocations between collections: a collection takes about a millisecond then


def collect_less_garbage() -> None:
    """Leave the objects of the start to themselves, and collect new ones less often.

    They live as long as the process: scanning them would delay requests by 0.1 s.
    """
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 50)


class ApiServer(uvicorn.Server):
    """A server that runs until SIGTERM or `should_exit`."""

    def __init__(self, app: FastAPI, http: HttpSettings, *, port: int | None = None) -> None:
        limits, counts = ConnectionLimits.of(http), ConnectionCounts(http)

        def connection(**uvicorn_arguments: Any) -> LimitedConnection:
            return LimitedConnection(limits, counts, **uvicorn_arguments)

        super().__init__(
            uvicorn.Config(
                app,
                host=http.host,
                port=http.port if port is None else port,
                http=connection,  # type: ignore[arg-type]  # uvicorn only calls it
                ws="none",
                proxy_headers=bool(http.forwarded_allow_ips),
                forwarded_allow_ips=http.forwarded_allow_ips,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=http.keep_alive_timeout,
                timeout_graceful_shutdown=10,
            )
        )
        self._app = app

    @property
    def port(self) -> int:
        """Return the port that the server listens on; valid once it has started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def on_tick(self, counter: int) -> bool:
        """Close connections whose clients are too slow, once a second."""
        if counter % _TICKS_PER_S == 0:
            now_s = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, LimitedConnection):
                    connection.tick(now_s)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        # Before uvicorn's own shutdown, which waits for open responses: a live stream ends only when the hub closes.
        await self._app.state.hub.close()
        await super().shutdown(sockets)
