"""A response that outlives the application's call: an idle stream then costs its connection, and no task."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION = "tocsin.detach"
"""The ASGI extension by which an application takes over the response that it has begun."""

_NEVER_AWAITED = asyncio.Event()


class DetachedResponse:
    """The rest of a chunked response. What is written once the client is gone is dropped."""

    __slots__ = ("_connection", "_cycle")

    def __init__(self, connection: HttpToolsProtocol, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle
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
        """End the response; the connection goes on with the next request."""
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
