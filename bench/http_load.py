"""Requests at a fixed rate by the clock, on as many connections as needed, even when responses fall behind."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

_TICK_S = 0.0005
_RESPONSE_TIMEOUT_S = 10.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time, whose time is measured from when it was due."""

    def __init__(self, load: "HttpLoad") -> None:
        self._load = load
        self._buffer = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one only by its methods

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.remove(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at `due`."""
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, complete, body = self._buffer.partition(b"\r\n\r\n")
        if not complete:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(body) >= length:
            self._buffer = b""
            good = head.split(b" ", 2)[1] in (b"200", b"204")
            self._load.finish(self, good, time.perf_counter() - self._due)


class HttpLoad:
    """An open loop against one server. `times_s` has the response times of the last run."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._free: list[_Connection] = []
        self.times_s: list[float] = []
        self.failed = 0
        self._expected = 0
        self._all = asyncio.Event()

    def finish(self, connection: _Connection, good: bool, time_s: float) -> None:
        """Add a response, and free its connection."""
        self.times_s.append(time_s)
        self.failed += not good
        self._free.append(connection)
        if len(self.times_s) == self._expected:
            self._all.set()

    def remove(self, connection: _Connection) -> None:
        """Remove a connection that the server has closed, as it does with idle ones between two rounds."""
        if connection in self._free:
            self._free.remove(connection)

    async def run(self, requests: Iterator[bytes], rate: float, count: int) -> None:
        """Send the next `count` requests; return when all have responses, or some seconds after the last was sent."""
        loop = asyncio.get_running_loop()
        self.times_s.clear()
        self.failed = self._expected = sent = 0
        self._all.clear()
        start = time.perf_counter()
        while sent < count:
            while sent < count and (due := start + sent / rate) <= time.perf_counter():
                if not self._free:
                    _, new = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
                    self._free.append(new)
                self._free.pop().send(next(requests), due)
                sent += 1
            await asyncio.sleep(_TICK_S)
        self._expected = count
        with suppress(TimeoutError):
            async with asyncio.timeout(_RESPONSE_TIMEOUT_S):
                if len(self.times_s) < count:
                    await self._all.wait()
        self.failed += count - len(self.times_s)
