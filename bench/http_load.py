"""Requests at a fixed rate by the clock, on as many connections as it takes, whether or not answers keep up."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

_TICK_S = 0.0005
_PATIENCE_S = 10.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection: one request at a time, its time taken from when it was due."""

    def __init__(self, load: "HttpLoad") -> None:
        self._load = load
        self._buffer = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one only by its methods

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that should have been sent at `due`."""
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(body) >= length:
            self._buffer = b""
            good = head.split(b" ", 2)[1] in (b"200", b"204")
            self._load.answered(self, good, time.perf_counter() - self._due)


class HttpLoad:
    """An open loop against one server."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._free: list[_Connection] = []
        self.seconds: list[float] = []
        self.failed = 0
        self._wanted = 0
        self._all = asyncio.Event()

    def answered(self, connection: _Connection, good: bool, seconds: float) -> None:
        """Note an answer; its connection is free again."""
        self.seconds.append(seconds)
        self.failed += not good
        self._free.append(connection)
        if len(self.seconds) == self._wanted:
            self._all.set()

    def lost(self, connection: _Connection) -> None:
        """A server closes what was idle between two rounds."""
        if connection in self._free:
            self._free.remove(connection)

    async def run(self, requests: Iterator[bytes], rate: float, count: int) -> None:
        """The next `count` requests; returns when all are answered, or some seconds after the last."""
        loop = asyncio.get_running_loop()
        self.seconds.clear()
        self.failed = self._wanted = sent = 0
        self._all.clear()
        start = time.perf_counter()
        while sent < count:
            while sent < count and (due := start + sent / rate) <= time.perf_counter():
                if not self._free:
                    _, new = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
                    self._free.append(new)
                self._free.pop().ask(next(requests), due)
                sent += 1
            await asyncio.sleep(_TICK_S)
        self._wanted = count
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                if len(self.seconds) < count:
                    await self._all.wait()
        self.failed += count - len(self.seconds)
