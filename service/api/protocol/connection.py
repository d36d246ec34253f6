"""A client's connection: uvicorn's HTTP/1.1 protocol, with a limit on what a client may send, and how slowly.

uvicorn and httptools have no limit on the size or number of headers, on the time until a request is complete, on chunks
or on pipelined requests. This protocol adds them:

1. Bytes are parsed in slices, so that a head beyond its limit is found before it is stored.
2. A request that breaks a limit, or RFC 9112, gets an error response, if it is its turn on the connection.
3. The connection then closes for writing, and discards what still arrives for a moment: a close with unread bytes
   would reset the connection, and the client would never see the response.
"""

import asyncio
import re
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.api.errors import ApiError, error_response
from service.api.protocol.connection_limits import MAX_BODY_BYTES, ConnectionCounts, ConnectionLimits
from service.api.protocol.request_head import check_head, normal_target
from service.api.protocol.response import EXTENSION, DetachedResponse, ResponseCycle
from service.observability import metrics

_SLICE_BYTES = 16_384
_FRAMING_BYTES = 16_384  # around the body: sizes and extensions of chunks, trailers
_FRAMING_PER_CHUNK = 16
_LINGER_S = 2.0
_NEVER_S = float("inf")
_LINGER_BYTES = MAX_BODY_BYTES
_SLOWEST_BYTES_PER_S = 16_384  # of a client that reads a response
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[01]\r?\n")
_TEXTS = {
    400: "The request is not HTTP/1.1 (RFC 9112).",
    408: "The request took too long to arrive.",
    413: "The body has too many chunks, or too many bytes around them.",
    414: "The request target is too long.",
    431: "The header fields are too large or too many.",
    501: "There is no such method.",
    503: "There are too many open connections.",
}


class _Phase(Enum):
    idle = 0  # no byte of a request since the last one
    head = 1
    body = 2
    closing = 3  # nothing that arrives is read any more


class _Refusal(Exception):
    """A request that must not be served; ends the parsing."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(status)
        self.error = ApiError(status, detail or _TEXTS[status], headers={"Connection": "close"})


class LimitedConnection(HttpToolsProtocol):
    """A connection whose client is limited in bytes, numbers and time. `tick` must be called about once a second."""

    def __init__(
        self, limits: ConnectionLimits, counts: ConnectionCounts, *args: Any, **uvicorn_arguments: Any
    ) -> None:
        super().__init__(*args, **uvicorn_arguments)
        self._limits = limits
        self._counts = counts
        self._phase = _Phase.head
        self._deadline_s = self.loop.time() + limits.head_s
        self._head_bytes = self._body_bytes = self._framing_bytes = self._chunks = self._lingered_bytes = 0
        self._messages = self._hosts = 0
        self._codings: list[bytes] = []
        self._lingering: Any = None
        self._ended = False
        self._unsent_since_s: float | None = None
        self._unsent_peak_bytes = 0
        self._served: ResponseCycle
        """The request whose response is sent; `cycle` is the newest, which may have to wait for it."""
        self._lost: Callable[[], None] | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        """Begin, or refuse a connection over the limits."""
        super().connection_made(transport)
        self._lingering = _LingeringTransport(self)
        if not self._counts.add(self.client[0] if self.client else ""):
            self._write(_Refusal(503).error)
            self._phase = _Phase.closing
            transport.close()  # at once: a refused connection must not hold a file for a moment more

    def connection_lost(self, exc: Exception | None) -> None:
        """Free what belongs to the connection."""
        self._counts.remove(self.client[0] if self.client else "")
        self._phase = _Phase.closing
        super().connection_lost(exc)
        if self._lost is not None:
            lost, self._lost = self._lost, None
            lost()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, a slice at a time."""
        if self._phase is _Phase.closing:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        if self._phase is _Phase.idle:
            self._enter(_Phase.head, self._limits.head_s)
        try:
            if len(data) <= _SLICE_BYTES and self._head_bytes + len(data) <= self._limits.head_bytes:
                self._feed(data)  # most requests
                return
            view, start = memoryview(data), 0
            while start < len(view):
                size = _SLICE_BYTES
                if self._phase is _Phase.head:  # not a byte more than a head may have
                    size = min(size, self._limits.head_bytes + 1 - self._head_bytes)
                self._feed(view[start : start + size])
                start += size
        except _Refusal as refusal:
            self._refuse(refusal.error)

    def _feed(self, part: bytes | memoryview) -> None:
        """Parse one slice. Raise _Refusal."""
        message, was_head, body_bytes = self._messages, self._phase is _Phase.head, self._body_bytes
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            # No protocol to upgrade to: the request is served as it is, and ends the connection, because the parser
            # takes what follows for the other protocol.
            self.cycle.keep_alive = False
            self._enter(_Phase.closing, _NEVER_S)
            return
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, _Refusal):
                raise error.__context__ from None
            raise _Refusal(400) from None
        except httptools.HttpParserInvalidMethodError:
            raise _Refusal(501 if _REQUEST_LINE.match(part) else 400) from None
        except httptools.HttpParserError:
            raise _Refusal(400) from None
        if message != self._messages:
            return
        if was_head:
            self._head_bytes += len(part)
            if self._phase is _Phase.head and self._head_bytes > self._limits.head_bytes:
                raise _Refusal(431)
        elif self._phase is _Phase.body:
            self._framing_bytes += len(part) - (self._body_bytes - body_bytes)
            if self._framing_bytes > _FRAMING_BYTES + _FRAMING_PER_CHUNK * self._chunks:
                raise _Refusal(413)

    # -- httptools

    def on_url(self, url: bytes) -> None:
        """Collect the request target. Raise _Refusal."""
        if len(self.url) + len(url) > self._limits.target_bytes:
            raise _Refusal(414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header field; a trailer field is dropped (RFC 9110, section 6.5.1). Raise _Refusal."""
        if self._phase is _Phase.body:
            return
        if len(self.headers) >= self._limits.headers:
            raise _Refusal(431)
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))  # as uvicorn does, without a call for each field

    def on_headers_complete(self) -> None:
        """Begin to serve the request. Raise _Refusal."""
        if len(self.pipeline) >= self._limits.pipelined:
            raise _Refusal(503)
        version = self.parser.get_http_version()
        if problem := check_head(version, self._hosts, self._codings):
            raise _Refusal(*problem)
        if not self.url.startswith(b"/"):
            try:
                self.url = normal_target(self.parser.get_method(), self.url)
            except ValueError:
                raise _Refusal(400) from None
        self._chunks = self._body_bytes = self._framing_bytes = 0
        self._enter(_Phase.body, self._limits.body_s)
        self._serve(version)

    def _serve(self, version: str) -> None:
        """Begin to serve the request, or have it wait for those before it: uvicorn's `on_headers_complete`."""
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        self.scope["http_version"] = version
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        self.scope["raw_path"] = self.root_path.encode("ascii") + target.path
        self.scope["query_string"] = target.query or b""
        self.scope["extensions"] = {EXTENSION: self._detach}  # type: ignore[dict-item]  # uvicorn's type is too narrow
        before = self.cycle
        self.cycle = ResponseCycle(
            scope=self.scope,
            transport=self._lingering,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_chunk_header(self) -> None:
        """Count a chunk. Raise _Refusal."""
        self._chunks += 1
        if self._chunks > self._limits.chunks:
            raise _Refusal(413)

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body; after the response, discard it up to the limit of a body. Raise _Refusal."""
        self._body_bytes += len(body)
        if self.cycle.response_complete and self._body_bytes > MAX_BODY_BYTES:
            raise _Refusal(413)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._messages += 1
        self._head_bytes = 0
        self._phase = _Phase.idle
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, unless the connection was closed with this response."""
        self._lost = None
        if self._ended:
            self.server_state.total_requests += 1
            self.pipeline.clear()
        else:
            super().on_response_complete()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._hosts = 0
        self._codings = []
        if self._phase is not _Phase.head:  # a pipelined request
            self._enter(_Phase.head, self._limits.head_s)

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: a client would write the log."""

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def _detach(self, lost: Callable[[], None]) -> DetachedResponse:
        if self.transport.is_closing():
            self.loop.call_soon(lost)
        else:
            self._lost = lost
        return DetachedResponse(self, self._served)

    # -- time

    def tick(self, now_s: float) -> None:
        """Close the connection if its client is too slow to send or to read."""
        if self.transport is None:
            return
        unsent_bytes = self.transport.get_write_buffer_size()
        if self._phase is _Phase.closing:
            if now_s > self._deadline_s and not unsent_bytes:
                self.transport.abort()
        elif self._phase is not _Phase.idle and now_s > self._deadline_s:
            if self._phase is _Phase.body and self.flow.read_paused:
                self._deadline_s = now_s + self._limits.body_s  # this process reads slowly, not the client
            else:
                self._time_out()
        self._check_reader(now_s, unsent_bytes)

    def _time_out(self) -> None:
        if self._phase is _Phase.head and not self._head_bytes:
            metrics.HTTP_REFUSED.add(("408",))
            self.transport.abort()  # nothing was asked
        else:
            self._refuse(_Refusal(408).error)

    def _check_reader(self, now_s: float, unsent_bytes: int) -> None:
        """Abort when the client has not read what was sent to it in the time that its size allows."""
        if not unsent_bytes:
            self._unsent_since_s = None
            return
        if self._unsent_since_s is None:
            self._unsent_since_s, self._unsent_peak_bytes = now_s, 0
        self._unsent_peak_bytes = max(self._unsent_peak_bytes, unsent_bytes)
        allowed_s = self._limits.send_s + self._unsent_peak_bytes / _SLOWEST_BYTES_PER_S
        if now_s - self._unsent_since_s > allowed_s:
            metrics.HTTP_REFUSED.add(("unread",))
            self.transport.abort()

    def _enter(self, phase: _Phase, limit_s: float) -> None:
        self._phase = phase
        self._deadline_s = self.loop.time() + limit_s

    # -- refusing

    def _refuse(self, error: ApiError) -> None:
        """Refuse the request that is arriving; nothing after it is read."""
        in_body = self._phase is _Phase.body
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy and in_body and not self.pipeline and not self.cycle.response_started:
            # Its handler waits for the body, and must learn that it will not come.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._respond(error)
        elif busy and in_body:
            metrics.HTTP_REFUSED.add((str(error.status_code),))
            self.transport.abort()
        elif busy:
            # Responses come in the order of requests: those before this one are sent, then the connection closes.
            metrics.HTTP_REFUSED.add((str(error.status_code),))
            self.cycle.keep_alive = False
            self._enter(_Phase.closing, _NEVER_S)
            self.flow.resume_reading()
        elif in_body:  # the rest of a body whose request has its response already
            metrics.HTTP_REFUSED.add((str(error.status_code),))
            self.close_gracefully()
        else:
            self._respond(error)

    def _respond(self, error: ApiError) -> None:
        """Send the error, and close."""
        self._write(error)
        self.close_gracefully()

    def _write(self, error: ApiError) -> None:
        metrics.HTTP_REFUSED.add((str(error.status_code),))
        path = getattr(self, "url", b"").partition(b"?")[0].decode("ascii", "replace")
        response = error_response({"path": path, "root_path": self.root_path}, error)
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(
            STATUS_LINE[HTTPStatus(error.status_code)] + lines + b"\r\n" + bytes(response.body)
        )

    def close_gracefully(self) -> None:
        """Close for writing, and for reading when the client has closed too or a moment has passed."""
        if self.transport.is_closing():
            return
        self._ended = True
        if self._phase in (_Phase.idle, _Phase.closing) and not self._lingered_bytes:
            self._enter(_Phase.closing, _NEVER_S)
            self.transport.close()  # every byte was read
        else:
            self._enter(_Phase.closing, _LINGER_S)
            self.flow.resume_reading()
            self.transport.write_eof()


class _LingeringTransport:
    """The transport of a response: as uvicorn uses it, but `close` lets the client read the response first."""

    __slots__ = ("_connection", "is_closing", "write")

    def __init__(self, connection: LimitedConnection) -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        self._connection.close_gracefully()
