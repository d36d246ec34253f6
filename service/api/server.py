"""The uvicorn server of the API, which closes live streams before it waits for connections to end."""

import socket

import uvicorn
from fastapi import FastAPI

from service.settings import HttpSettings


class ApiServer(uvicorn.Server):
    """A server that runs until SIGTERM or `should_exit`."""

    def __init__(self, app: FastAPI, http: HttpSettings, *, port: int | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=http.host,
                port=http.port if port is None else port,
                forwarded_allow_ips=http.forwarded_allow_ips,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=10,
            )
        )
        self._app = app

    @property
    def port(self) -> int:
        """Return the port that the server listens on; valid once it has started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        # Before uvicorn's own shutdown, which waits for open responses: a live stream ends only when the hub closes.
        await self._app.state.hub.close()
        await super().shutdown(sockets)
