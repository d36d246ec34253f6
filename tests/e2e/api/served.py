"""The API behind a real HTTP server, in the test's event loop or in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx

from service.api.server import ApiServer
from service.settings import HttpSettings
from tests.support.api_fixture import ApiFixture


class EmbeddedServer(ApiServer):
    """A server that leaves the signal handlers of the test run alone."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def served(
    api: ApiFixture, within_s: float = 30, http: HttpSettings | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the served API; at the end of the block the server must shut down within this time."""
    server = EmbeddedServer(api.app, http or HttpSettings(), port=0)
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


@dataclass
class ThreadedApi:
    """The API in its thread, for clients that block."""

    api: ApiFixture
    port: int
    loop: asyncio.AbstractEventLoop

    def run(self, awaitable: Any) -> Any:
        """Run something in the API's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(awaitable, self.loop).result(120)


@contextmanager
def in_thread(
    make: Callable[[], AbstractAsyncContextManager[ApiFixture]],
    prepare: Callable[[ApiFixture], Awaitable[None]] | None = None,
) -> Iterator[ThreadedApi]:
    """Serve the API that `make` returns in a thread, until the end of the block."""
    ready, stop, box = threading.Event(), asyncio.Event(), list[ThreadedApi]()

    async def serve() -> None:
        async with make() as api:
            if prepare is not None:
                await prepare(api)
            server = EmbeddedServer(api.app, HttpSettings(), port=0)
            running = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            box.append(ThreadedApi(api, server.port, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()
            server.should_exit = True
            await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield box[0]
    finally:
        if box:
            box[0].loop.call_soon_threadsafe(stop.set)
        thread.join(30)
