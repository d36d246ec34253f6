"""The API behind a real HTTP server, in the test's event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import httpx

from service.api.server import ApiServer
from service.settings import HttpSettings
from tests.support.api_fixture import ApiFixture


class EmbeddedServer(ApiServer):
    """A server that leaves the signal handlers of the test run alone."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def served(api: ApiFixture, within_s: float = 30) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the served API; at the end of the block the server must shut down within this time."""
    server = EmbeddedServer(api.app, HttpSettings(), port=0)
    server.config.timeout_graceful_shutdown = (
        600  # streams must end because the hub closes, not because uvicorn stops waiting
    )
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:
            await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
        try:
            yield client
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, within_s)
