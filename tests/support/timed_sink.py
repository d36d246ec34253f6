"""An SMTP server that accepts everything at full speed and keeps only time, address and id of each message."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

_END = b"\r\n.\r\n"


class AcceptedMessage(NamedTuple):
    """A message that was accepted, at a time in ms since the epoch; `delivery` is the id in its Message-ID."""

    at_ms: int
    address: str
    delivery: str


class TimedSink:
    """The messages accepted so far, in order and counted by address."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted: list[AcceptedMessage] = []
        self.counts: Counter[str] = Counter()

    def accept(self, address: str, delivery: str) -> None:
        """Keep a message with the present time."""
        self.accepted.append(AcceptedMessage(time.time_ns() // 1_000_000, address, delivery))
        self.counts[address] += 1


class _Session(asyncio.Protocol):
    def __init__(self, sink: TimedSink) -> None:
        self._sink = sink
        self._buffer = b""
        self._address = ""
        self._in_data = self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.test\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies: list[bytes] = []
        while True:
            head, end, rest = self._buffer.partition(_END if self._in_data else b"\r\n")
            if not end:
                break
            self._buffer = rest
            replies.append(self._message(head) if self._in_data else self._command(head))
        if replies:
            self._transport.write(b"".join(replies))
        if self._closing:
            self._transport.close()

    def _message(self, content: bytes) -> bytes:
        self._in_data = False
        self._sink.accept(self._address, content.partition(b"Message-ID: <")[2].partition(b"@")[0].decode())
        return b"250 2.0.0 Ok\r\n"

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink.test\r\n250 PIPELINING\r\n"
        if verb == b"RCPT":
            self._address = line.partition(b"<")[2].partition(b">")[0].decode()
        self._in_data, self._closing = verb == b"DATA", verb == b"QUIT"
        return b"354 End data with <CR><LF>.<CR><LF>\r\n" if self._in_data else b"250 2.1.0 Ok\r\n"


@asynccontextmanager
async def timed_sink() -> AsyncIterator[TimedSink]:
    """Yield a sink that listens until the end of the block."""
    sink = TimedSink()
    server = await asyncio.get_running_loop().create_server(lambda: _Session(sink), "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
