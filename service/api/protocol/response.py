"""The response to a request: its head leaves together with its body, and it may outlive the application's call.

uvicorn writes the head by itself, which takes a tenth of the time of a small request. An idle stream that is detached
costs its connection, and no task.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

EXTENSION = "tocsin.detach"
"""The ASGI extension by which an application takes over the response that it has begun."""

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NEVER_AWAITED = asyncio.Event()


class ResponseCycle(RequestResponseCycle):
    """uvicorn's request and response, with the head written together with the first part of the body."""

    head = b""
    """What is not written yet."""

    async def send(self, message: Any) -> None:
        """Send a part of the response (ASGI). Raise RuntimeError for one that HTTP does not allow."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        expected = "http.response.body" if self.response_started else "http.response.start"
        if message["type"] != expected or self.response_complete:
            raise RuntimeError(f"{message['type']} is not the next part of the response")
        if not self.response_started:
            self.head = self._begin(message["status"], [*self.default_headers, *message.get("headers", ())])
            self.response_started = True
            self.waiting_for_100_continue = False
        else:
            self._continue(message.get("body", b""), message.get("more_body", False))

    def flush(self) -> None:
        """Write the head, where no part of the body has come yet."""
        if self.head:
            self.transport.write(self.head)
            self.head = b""

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the head, and note how long the body will be."""
        lines = [STATUS_LINE[status]]
        closes = False
        for name, value in headers:
            if name == b"content-length" and self.chunked_encoding is None:
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"transfer-encoding" and value == b"chunked":
                self.chunked_encoding = True
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive, closes = False, True
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or _CONTROL.search(head):
            raise RuntimeError("a header contains a control character")
        return head + b"\r\n"

    def _continue(self, body: bytes, more: bool) -> None:
        """Write a part of the body, behind the head if that is still here."""
        if self.scope["method"] == "HEAD":
            self.expected_content_length, text = 0, b""
        elif self.chunked_encoding:
            text = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self.expected_content_length -= len(body)
            text = body
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise RuntimeError("the body is not as long as Content-Length says")
        if self.head or text:
            self.transport.write(self.head + text)
            self.head = b""
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


class DetachedResponse:
    """The rest of a chunked response. What is written once the client is gone is dropped."""

    __slots__ = ("_connection", "_cycle")

    def __init__(self, connection: HttpToolsProtocol, cycle: ResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle
        cycle.flush()
        # For the application the client is gone: uvicorn neither ends nor logs the response that it leaves unfinished.
        cycle.disconnected = True
        # What only the application needed: some kilobytes for as long as the stream lasts. The connection's are those
        # of the next request where a client does not wait for the end of the stream.
        if connection.scope is cycle.scope:
            connection.scope = {}  # type: ignore[typeddict-item]
            connection.headers = []
        cycle.scope = {}  # type: ignore[typeddict-item]
        cycle.message_event = _NEVER_AWAITED

    @property
    def writable(self) -> bool:
        """Return whether the client reads fast enough for another chunk."""
        return not self._connection.flow.write_paused

    async def drain(self) -> None:
        """Return when it is writable."""
        await self._connection.flow.drain()

    def write(self, text: bytes) -> None:
        """Write a chunk."""
        if not self._connection.transport.is_closing():
            self._connection.transport.write(b"%x\r\n%b\r\n" % (len(text), text))

    def finish(self) -> None:
        """End the response; the connection continues with the next request."""
        connection = self._connection
        if connection.transport.is_closing():
            return
        connection.transport.write(b"0\r\n\r\n")
        self._cycle.response_complete = True
        if not self._cycle.keep_alive:
            self._cycle.transport.close()
        connection.on_response_complete()

    def drop(self) -> None:
        """Close the connection, and leave the response unfinished."""
        self._connection.transport.close()


def detach(scope: Mapping[str, Any], lost: Callable[[], None]) -> DetachedResponse:
    """Return the rest of the response of this request, which the application has begun.

    The application then returns: its `send` and `receive` have no effect any more. `lost` is called once the client is
    gone, unless the response is finished before.
    """
    response: DetachedResponse = scope["extensions"][EXTENSION](lost)
    return response
