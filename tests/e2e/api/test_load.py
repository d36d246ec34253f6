"""The API in its own process under hostile load: half-sent requests, idle streams, huge bodies.

Hundreds of connections by default; `make load` sets `TOCSIN_LOAD_CONNECTIONS` to 10,000, or fewer if the limit on open
files is lower. Measurements are printed.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from service.dev.ports import free_port
from tests.support.api_fixture import inbox_item, token
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

_SPARE_FILES = 1000
CONNECTIONS = min(
    int(os.environ.get("TOCSIN_LOAD_CONNECTIONS", "300")),
    resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES,
)
AT_ONCE = 100
PER_RECIPIENT = 20
"""The number of streams that one recipient may open."""
BODY_BYTES = 10 * 1024 * 1024
MAX_RESPONSE_S = 10.0
MAX_GROWTH_BYTES = 64 * 1024 * 1024 + CONNECTIONS * 64 * 1024
"""The limit on the process's growth: 64 KiB a connection, and 64 MiB of tolerance."""
MAX_STREAMS_BYTES = 32 * 1024 * 1024 + CONNECTIONS * 12 * 1024
"""The limit on the growth by idle streams: 12 KiB a stream, and 32 MiB of tolerance."""


@dataclass
class Api:
    """The API process, its port and its secret."""

    process: "psutil.Process"
    port: int
    secret: str
    pipeline: RealPipeline

    def token(self, sub: str) -> str:
        return token(sub, secret=self.secret)

    def rss(self) -> int:
        """Return the process's resident memory in bytes."""
        return int(self.process.memory_info().rss)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def slowest_s(self, requests: int = 50) -> float:
        """Send requests one after the other; return the longest response time in seconds."""
        times = []
        headers = {"Authorization": f"Bearer {self.token('alice')}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30
        ) as client:
            for _ in range(requests):
                started = time.perf_counter()
                assert (await client.get("/counts")).status_code == 200
                times.append(time.perf_counter() - started)
        return max(times)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with RealPipeline(partitions=1) as pipeline:
        port, secret = free_port(), token_hex(32)
        env = pipeline.environment(TOCSIN_HTTP__PORT=str(port), TOCSIN_AUTH__SECRET=secret)
        env |= {f"TOCSIN_HTTP__MAX_CONNECTIONS{which}": "20000" for which in ("", "_PER_ADDRESS")}
        server = subprocess.Popen([sys.executable, "-m", "service.cli", "api"], env=env)
        try:
            api = Api(psutil.Process(server.pid), port, secret, pipeline)
            await eventually(lambda: _responds(port), 60, lambda: "the API does not respond")
            yield api
        finally:
            server.terminate()
            await asyncio.to_thread(server.wait, 30)


async def _responds(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
        except httpx.HTTPError:
            return False


@asynccontextmanager
async def _closing(writers: list[asyncio.StreamWriter]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


@pytest.mark.timeout(600)
async def test_half_sent_requests(api: Api) -> None:
    """Slowloris: connections that never finish their headers cost little memory; other requests are served."""
    before, writers = api.rss(), []

    async def half() -> None:
        _, writer = await api.connect()
        writers.append(writer)
        writer.write(b"GET /counts HTTP/1.1\r\nHost: tocsin\r\nX-Slow: ")

    async with _closing(writers):
        for _ in range(0, CONNECTIONS, AT_ONCE):
            await asyncio.gather(*(half() for _ in range(AT_ONCE)))
        for writer in writers:
            writer.write(b"more")
        slowest = await api.slowest_s()
        grown = api.rss() - before

    print(f"{len(writers)} half-sent: slowest {slowest * 1000:.0f} ms, {grown / 2**20:.0f} MiB more")
    assert slowest < MAX_RESPONSE_S
    assert grown < MAX_GROWTH_BYTES


@pytest.mark.timeout(600)
@pytest.mark.parametrize("hostile", ["one header", "header lines", "target", "pipelined", "chunks", "idle"])
async def test_requests_without_end(api: Api, hostile: str) -> None:
    """Clients that send and send before any login cost little memory, and other requests are served meanwhile."""
    start, repeated = {
        "one header": (b"GET /counts HTTP/1.1\r\nHost: t\r\nX: ", b"a" * 65_536),
        "header lines": (b"GET /counts HTTP/1.1\r\nHost: t\r\n", b"a: b\r\n" * 10_000),
        "target": (b"GET /", b"a" * 65_536),
        "pipelined": (b"", b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n" * 2000),
        "chunks": (
            b"POST /v1/events HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\n \r\n" * 10_000,
        ),
        "idle": (b"", b""),
    }[hostile]
    before, most = api.rss(), 0

    async def flood() -> None:
        nonlocal most
        _, writer = await api.connect()
        with suppress(OSError):
            writer.write(start)
            for _ in range(40):  # 2.6 MB a connection
                writer.write(repeated)
                await writer.drain()
                most = max(most, api.rss() - before)
        writer.transport.abort()

    floods = asyncio.gather(*(flood() for _ in range(50)))
    slowest = await api.slowest_s(20)
    await floods

    print(f"50 × {hostile}: slowest {slowest * 1000:.0f} ms, {most / 2**20:.0f} MiB more at most")
    assert slowest < MAX_RESPONSE_S
    assert most < 64 * 1024 * 1024


@pytest.mark.timeout(900)
async def test_idle_streams(api: Api) -> None:
    """Every idle stream has its snapshot and gets changes; other requests are served."""
    before, writers, readers = api.rss(), [], {}

    async def watch(number: int) -> None:
        reader, writer = await api.connect()
        writers.append(writer)
        readers[number] = reader
        sub = f"r{number // PER_RECIPIENT}"
        head = "GET /v1/inbox/stream HTTP/1.1\r\nHost: t\r\n"
        writer.write(f"{head}Authorization: Bearer {api.token(sub)}\r\n\r\n".encode())
        async with asyncio.timeout(60):
            await reader.readuntil(b"event: counts")

    async with _closing(writers):
        for start in range(0, CONNECTIONS, AT_ONCE):
            await asyncio.gather(*(watch(n) for n in range(start, min(start + AT_ONCE, CONNECTIONS))))
        grown = api.rss() - before
        last = (CONNECTIONS - 1) // PER_RECIPIENT
        started = time.perf_counter()
        await api.pipeline.parts.inbox.add([inbox_item("overbid", f"r{last}", "0" * 24)])
        watching = [reader for n, reader in readers.items() if n // PER_RECIPIENT == last]
        async with asyncio.timeout(60):
            await asyncio.gather(*(reader.readuntil(b"event: new") for reader in watching))
        woken = time.perf_counter() - started
        slowest = await api.slowest_s()

    print(
        f"{len(writers)} streams: {grown / 2**20:.0f} MiB more, change sent after {woken * 1000:.0f} ms, "
        f"slowest response {slowest * 1000:.0f} ms"
    )
    assert slowest < MAX_RESPONSE_S
    assert grown < MAX_STREAMS_BYTES


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
async def test_huge_bodies_are_refused_and_not_kept(api: Api, declared: bool) -> None:
    """10 MB bodies are 413, with or without a declared length, and memory does not grow."""
    before = api.rss()
    most = 0

    async def send() -> bytes:
        nonlocal most
        reader, writer = await api.connect()
        size = f"Content-Length: {BODY_BYTES}" if declared else "Transfer-Encoding: chunked"
        head = (
            "PATCH /api/v1/notification/configure/ HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
        )
        bearer = token("x", "tables", secret=api.secret)
        writer.write(f"{head}{size}\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
        answer = asyncio.create_task(reader.readline())
        chunk = b" " * 65_536
        part = chunk if declared else b"10000\r\n" + chunk + b"\r\n"
        with suppress(OSError):  # the server has responded and closed the connection
            for _ in range(BODY_BYTES // len(chunk)):
                if answer.done():
                    break
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.001)  # lets the response be read before the reset that follows it
                most = max(most, api.rss() - before)
        try:
            return await asyncio.wait_for(answer, 60)
        except OSError:
            return b"reset"  # the response was lost with the connection
        finally:
            writer.transport.abort()

    answers = await asyncio.gather(*(send() for _ in range(10)))

    print(f"10 bodies of 10 MB: {most / 2**20:.0f} MiB more at most")
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 413", b"reset"}
    assert b"HTTP/1.1 413" in {answer[:12] for answer in answers}
    assert most < 64 * 1024 * 1024
    assert await api.slowest_s(5) < MAX_RESPONSE_S
