"""The live inbox as server-sent events (WHATWG HTML, 9.2), and marking all entries read."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, FastAPI, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.auth.guard import MayReadInbox, authorize_stream
from service.api.auth.principal import Principal
from service.api.deps import ApiDeps, Deps
from service.api.errors import ApiError
from service.api.hub import Hub, TooManyWatchers
from service.api.middleware import HEAD_ONLY
from service.api.protocol.response import DetachedResponse, detach
from service.api.representations.entries import entry_parts
from service.api.representations.schemas import (
    error_responses,
    query_parameter,
    response,
    schema_ref,
)
from service.api.representations.stream_events import InboxEvent, changes_text, event_text
from service.api.routes.inbox import count_resources, types_of
from service.observability.exception_text import fault_of
from service.ports import InboxQuery, Unavailable

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

HEARTBEAT_S = 15.0
_SEND_TIMEOUT_S = 10.0  # a client that reads nothing for so long is disconnected; it resumes by Last-Event-ID
_MAX_STREAM_S = 3600.0
_RETRY_S = 1.0
_CLIENT_RETRY_MS = 2000
_TYPES = query_parameter(
    "filter[type]", {"type": "string"}, "Types by number or name, separated by commas; all types by default."
)
_LONGEST_ID = 64
_TICKET = query_parameter("ticket", {"type": "string"}, "A ticket, instead of a token.")
_LAST_EVENT_ID = query_parameter(
    "last_event_id",
    {"type": "string", "maxLength": _LONGEST_ID},
    "As the header Last-Event-ID, which comes first.",
)


class MarkedEntries(BaseModel):
    """The number of entries that were marked as read."""

    read: int = Field(ge=0)


@router.post(
    "/read-all",
    operation_id="mark_all_notifications_read",
    summary="Mark all entries as read",
    responses={
        200: response(schema_ref(MarkedEntries)),
        **error_responses(400, 401, 403, 413, 429, 503),
    },
    openapi_extra={"parameters": [_TYPES]},
)
async def read_all(
    principal: MayReadInbox,
    deps: Deps,
    types: Annotated[str | None, Query(alias="filter[type]", include_in_schema=False)] = None,
) -> Response:
    """Mark every unread entry of the caller as read, or only those of some types."""
    names = types_of(types, deps.catalogue) if types is not None else frozenset[str]()
    read = await deps.read_marks.mark_all(principal.id, names)
    return Response(orjson.dumps({"read": read}), media_type="application/json")


@router.get(
    "/stream",
    operation_id="stream_inbox",
    summary="Stream the inbox",
    response_class=Response,
    responses={
        200: response(
            schema_ref(InboxEvent), "Server-sent events; the schema describes one event.", "text/event-stream"
        ),
        **error_responses(400, 401, 403, 429, 503),
    },
    openapi_extra={"security": [{"bearer": []}, {}], "parameters": [_TICKET, _LAST_EVENT_ID]},
)
async def stream(
    request: Request,
    deps: Deps,
    last_event_id: Annotated[
        str | None,
        Header(max_length=_LONGEST_ID, description="The id of the last event that the client received."),
    ] = None,
) -> Response:
    """Stream the inbox as server-sent events: first a `snapshot`, then `new`, `read` and `removed` as they happen.

    With Last-Event-ID, the stream begins with the changes after that event, or with a snapshot if they are no longer
    known. `counts` follows the snapshot and the changes. A comment every 15 seconds keeps the connection open.

    A page that reads the response by `fetch` sends its token in the Authorization header. The browser's EventSource
    sends none: it gets a ticket (`POST /v1/inbox/stream-tickets`), and `last_event_id` in the query where it resumes.
    """
    principal = await authorize_stream(request)
    last_event_id = last_event_id or request.query_params.get("last_event_id", "")[:_LONGEST_ID] or None
    hub: Hub = request.app.state.hub
    if hub.closing:
        raise Unavailable("the server is shutting down")
    # The position is read before the watch and before the snapshot: a change in between is sent twice, never lost.
    start = await deps.inbox_changes.position(principal.id)
    live = _LiveStream(request.app, hub, principal)
    try:
        hub.watch(principal.id, start, live)
        first, live.position = await _first_events(deps, principal.id, last_event_id, start)
    except TooManyWatchers:
        detail, headers = "There are too many open streams of this inbox.", {"Retry-After": "10"}
        raise ApiError(429, detail, code="too-many-streams", headers=headers) from None
    except BaseException:
        live.close()
        raise
    return _EventStream(live, first)


class _EventStream(Response):
    """The beginning of a stream's response, and what takes over the rest of it."""

    media_type = "text/event-stream"

    def __init__(self, live: "_LiveStream", first: AsyncIterator[bytes]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._live = live
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers, and begin the stream."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if HEAD_ONLY in scope:
                self._live.close()
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                self._live.begin(detach(scope, self._live.close), self._first)
        except BaseException:
            self._live.close()
            raise


class _LiveStream:
    """Turns the changes of an inbox into events, at the pace at which the client reads them.

    It ends when the token expires, an hour has passed, or the server shuts down. While nothing changes it has no task:
    the hub wakes it, and the timetable has it send heartbeats. `position` is that of the last change that was sent.
    """

    __slots__ = (
        "_app", "_closed", "_end_s", "_hub", "_recipient", "_response", "_task", "_woken", "due_s", "position",
    )  # fmt: skip

    def __init__(self, app: FastAPI, hub: Hub, principal: Principal) -> None:
        self.position = ""
        self._app = app
        self._hub = hub
        self._recipient = principal.id
        self._end_s = _now_s() + min(_MAX_STREAM_S, max(0.0, principal.until - time.time()))
        self._response: DetachedResponse | None = None
        self._task: asyncio.Task[None] | None = None
        self._woken = True  # for a change between the position and the watch
        self._closed = False
        self.due_s = 0.0

    def begin(self, response: DetachedResponse, first: AsyncIterator[bytes]) -> None:
        """Send the first events, then those of the changes."""
        self._response = response
        self._task = asyncio.create_task(self._run(first), name="inbox-stream")
        self.due_s = self._next_due_s()
        self._hub.timetable.add(self)

    def wake(self) -> None:
        """Send what has changed, and end the stream if it is time."""
        self._woken = True
        if self._task is None and self._response is not None and not self._closed:
            self._task = asyncio.create_task(self._run(), name="inbox-stream")

    def call(self) -> bool:
        """Send a heartbeat; drop a client that has not read the last one, and end the stream if it is time."""
        if self._closed or self._response is None:
            return False
        self.due_s = self._next_due_s()
        if self._is_over() or not self._response.writable:
            self.wake()
        elif self._task is None:
            self._response.write(b": alive\n\n")
        return True

    def close(self) -> None:
        """Stop, and leave the response as it is."""
        self._closed = True
        self._hub.unwatch(self._recipient, self)
        if self._task is not None:
            self._task.cancel()

    async def _run(self, first: AsyncIterator[bytes] | None = None) -> None:
        assert self._response is not None
        try:
            if first is not None:
                await self._write(f"retry: {_CLIENT_RETRY_MS}\n\n".encode())
                async for text in first:
                    await self._write(text)
            while self._woken and not self._is_over():
                await self._send_changes()
        except (TimeoutError, Unavailable):
            self._response.drop()  # a slow client, or an outage in the middle of an event: it resumes
        except Exception as error:
            log.error("inbox_stream_failed", **fault_of(error))
            self._response.drop()
        else:
            self._task = None
            self.due_s = self._next_due_s()
            if not self._is_over():
                return
            self._response.finish()
        self._task = None
        self.close()

    async def _send_changes(self) -> None:
        # Before the read: a change that arrives during it must wake the stream again.
        self._woken = False
        try:
            async for text in self._next_events():
                await self._write(text)
        except Unavailable:  # the position has not advanced, so these changes are read again
            await asyncio.sleep(_RETRY_S)
            self._woken = True
        await self._drain()

    async def _next_events(self) -> AsyncIterator[bytes]:
        deps: ApiDeps = self._app.state.deps  # those of now: the catalogue may have been reloaded
        changes = await deps.inbox_changes.since(self._recipient, self.position)
        if changes is None:
            position = await deps.inbox_changes.position(self._recipient)
            async for text in _snapshot(deps, self._recipient, position):
                yield text
            self.position = position
        elif changes:
            position = changes[-1].position
            text = changes_text(changes, deps.entry_format)
            yield text + await _counts(deps, self._recipient, position)
            self.position = position

    async def _write(self, text: bytes) -> None:
        await self._drain()
        assert self._response is not None
        self._response.write(text)

    async def _drain(self) -> None:
        """Wait until the client reads. Raise TimeoutError."""
        if self._response is not None and not self._response.writable:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self._response.drain()

    def _is_over(self) -> bool:
        return self._hub.closing or _now_s() >= self._end_s

    def _next_due_s(self) -> float:
        now_s = _now_s()
        due_s = now_s + HEARTBEAT_S
        return min(due_s, self._end_s) if now_s < self._end_s else due_s


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _first_events(
    deps: ApiDeps, recipient: str, last_event_id: str | None, start: str
) -> tuple[AsyncIterator[bytes], str]:
    """Return the first events of a stream, and the position after them.

    A part is read before the response begins, so that an outage is a 503. Raise Unavailable.
    """
    changes = await deps.inbox_changes.since(recipient, last_event_id) if last_event_id else None
    if changes is None or last_event_id is None:
        parts = _snapshot(deps, recipient, start)
        return _resumed(await anext(parts), parts), start
    position = changes[-1].position if changes else last_event_id
    text = changes_text(changes, deps.entry_format) + await _counts(deps, recipient, position)
    return _resumed(text), position


async def _resumed(first: bytes, rest: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    yield first
    if rest is not None:
        async for text in rest:
            yield text


async def _snapshot(deps: ApiDeps, recipient: str, position: str) -> AsyncIterator[bytes]:
    """Yield all unread entries as one event, in parts, and their counts.

    `position` was read before the entries, so a change in between is sent again rather than missed.
    """
    begin = b'event: snapshot\nid: %b\ndata: {"data":[' % position.encode()
    async for part in entry_parts(deps.inbox_reads, deps.entry_format, InboxQuery(recipient)):
        yield begin + part
        begin = b""
    yield begin + b"]}\n\n" + await _counts(deps, recipient, position)


async def _counts(deps: ApiDeps, recipient: str, position: str) -> bytes:
    counts = await deps.inbox.counts(recipient)
    return event_text("counts", {"data": count_resources(counts, deps.catalogue)}, position)
