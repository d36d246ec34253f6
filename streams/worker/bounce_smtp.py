"""SMTP protocol of the bounce listener: aiosmtpd's, with bounds on connections, memory and time.

A stranger may connect. So each connection keeps at most the octets of a message that are read later, however long its
lines are, and ends after a while, whatever it sends.
"""

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP

from service.observability.metrics import BOUNCES
from service.pipeline.bounces.mime import LIMITS
from service.settings import BounceSettings

_DATA_TIMEOUT_S = 300.0
_SESSION_S = 900.0
_READ_OCTETS = 2**20  # more than the stream's buffer may hold, so that nothing is left in it
_END = b"\r\n.\r\n"


class MessageData:
    """The octets after DATA, up to CRLF.CRLF (RFC 5321 section 4.1.1.4), in whatever pieces they come.

    Keeps the first `kept` octets and counts the others. The cost is linear in the octets.
    """

    def __init__(self, kept: int) -> None:
        self.size = 0
        self._kept = kept
        self._data = bytearray(b"\r\n")  # the end of the DATA command: a message may be empty
        self._tail = b"\r\n"

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets. Return those behind the end of the message once it has come, else None."""
        at = (self._tail + octets).find(_END)
        if at >= 0:
            used = max(at + len(_END) - len(self._tail), 0)
            self._take(octets[:used])
            return octets[used:]
        self._take(octets)
        self._tail = (self._tail + octets)[-len(_END) + 1 :]
        return None

    def content(self) -> bytes:
        """Return the message without the dots that SMTP adds to lines (RFC 5321 section 4.5.2)."""
        data = bytes(self._data)
        if self.size <= self._kept:
            data = data.removesuffix(b".\r\n")
        return data.replace(b"\r\n.", b"\r\n")[2:]

    def _take(self, octets: bytes) -> None:
        self.size += len(octets)
        room = self._kept + 2 - len(self._data)
        if room > 0:
            self._data += octets[:room]


class BoundedSmtp(SMTP):  # type: ignore[misc]  # aiosmtpd has no types
    """One connection. `open_connections`: those that count towards the limit; beyond it a client gets 421."""

    line_length_limit = 16_384  # of commands; a message may have lines of any length

    def __init__(
        self,
        handler: Any,
        settings: BounceSettings,
        open_connections: set["BoundedSmtp"],
        hostname: str,
    ) -> None:
        self._settings = settings
        super().__init__(
            handler,
            data_size_limit=self._settings.max_bytes,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="Tocsin",
            timeout=self._settings.timeout,
            loop=asyncio.get_running_loop(),
        )
        self._open_connections = open_connections
        self._session_end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or refuse it where too many are connected (RFC 5321 section 3.1)."""
        if len(self._open_connections) >= self._settings.max_connections:
            BOUNCES.labels("refused", "connections").inc()
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"421 4.3.2 Too many connections, try again later\r\n")
            transport.close()
            return
        self._open_connections.add(self)
        self._session_end = asyncio.get_running_loop().call_later(_SESSION_S, transport.close)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Free the place of the connection."""
        if self._session_end is not None:
            self._session_end.cancel()
            self._open_connections.discard(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Pass on what comes, unless the client has been refused."""
        if self._session_end is not None:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """Close the connection when the client has."""
        return super().eof_received() if self._session_end is not None else False

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  (aiosmtpd's name)
        """Receive a message, and have it processed. Lines may be of any length."""
        if await self.check_helo_needed():
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        data = MessageData(min(LIMITS.octets, self._settings.max_bytes))
        try:
            async with asyncio.timeout(_DATA_TIMEOUT_S):
                await self._receive(data)
        except TimeoutError:
            await self.push("421 4.4.2 Timeout")
            self.transport.close()
            return
        await self.push(await self._processed(data))
        self._set_post_data_state()

    async def _receive(self, data: MessageData) -> None:
        rest: bytes | None = None
        while rest is None:
            octets = await self._reader.read(_READ_OCTETS)
            if not octets:
                raise asyncio.CancelledError  # the client has closed the connection: aiosmtpd ends the session so
            self._reset_timeout()
            rest = data.feed(octets)
        if rest:
            self._reader.feed_data(rest)  # read() has emptied the buffer, so the order is kept

    async def _processed(self, data: MessageData) -> str:
        if data.size > self._settings.max_bytes + len(_END):
            BOUNCES.labels("refused", "size").inc()
            return "552 5.3.4 Message too big"
        self.envelope.content = data.content()
        reply: str = await self._call_handler_hook("DATA")
        return reply
