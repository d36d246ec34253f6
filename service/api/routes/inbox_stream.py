"""The live inbox as server-sent events (WHATWG HTML, 9.2), and marking all entries read."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.auth.guard import MayReadInbox
from service.api.auth.principal import Principal
from service.api.deps import ApiDeps, Deps
from service.api.errors import ApiError
from service.api.hub import Hub, TooManyWatchers, Watcher
from service.api.middleware import HEAD_ONLY
from service.api.representations.entries import entry_parts
from service.api.representations.jsonapi import resource
from service.api.representations.schemas import error_responses, query_parameter, response
from service.api.routes.inbox import count_resources, types_of
from service.ports import InboxChange, InboxChangeKind, InboxQuery, Unavailable

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

HEARTBEAT_S = 15.0
_SEND_TIMEOUT_S = 10.0  # a client that reads nothing for so long is disconnected; it resumes by Last-Event-ID
_MAX_STREAM_S = 3600.0
_RETRY_S = 1.0
_CLIENT_RETRY_MS = 2000
_TYPES = query_parameter(
    "filter[type]", {"type": "string"}, "Types by number or name, separated by commas; all types by default."
)
_TEXT = {"type": "string"}
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["snapshot", "new", "read", "removed", "counts"], "type": "string"},
        "id": _TEXT,
        "data": _TEXT,
    },
}
_MARKED = {"type": "object", "required": ["read"], "properties": {"read": {"type": "integer", "minimum": 0}}}


@router.post(
    "/read-all",
    summary="Mark all entries as read",
    responses={
        200: response(_MARKED, "The number of entries that were marked."),
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
    summary="Stream the inbox",
    response_class=Response,
    responses={
        200: response(_EVENT, "Server-sent events; the schema describes one event.", "text/event-stream"),
        **error_responses(400, 401, 403, 429, 503),
    },
)
async def stream(
    request: Request,
    principal: MayReadInbox,
    deps: Deps,
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="The id of the last event that the client received.")
    ] = None,
) -> Response:
    """Stream the inbox as server-sent events: first a `snapshot`, then `new`, `read` and `removed` as they happen.

    With Last-Event-ID, the stream begins with the changes after that event, or with a snapshot if they are no longer
    known. `counts` follows the snapshot and the changes. A comment every 15 seconds keeps the connection open.
    """
    hub: Hub = request.app.state.hub
    if hub.closing:
        raise Unavailable("the server is shutting down")
    # The position is read before the watch and before the snapshot: a change in between is sent twice, never lost.
    start = await deps.inbox_changes.position(principal.id)
    with ExitStack() as stack:
        try:
            watcher = stack.enter_context(hub.watch(principal.id, start))
        except TooManyWatchers:
            detail, headers = "There are too many open streams of this inbox.", {"Retry-After": "10"}
            raise ApiError(429, detail, code="too-many-streams", headers=headers) from None
        first, position = await _first_events(deps, principal.id, last_event_id, start)
        return _EventStream(_Follower(deps, hub, principal, watcher, position), first, stack.pop_all())


class _Follower:
    """Turns the changes of an inbox into events, at the pace at which the client reads them."""

    def __init__(
        self, deps: ApiDeps, hub: Hub, principal: Principal, watcher: Watcher, position: str
    ) -> None:
        self._deps = deps
        self._hub = hub
        self._recipient = principal.id
        self._watcher = watcher
        self._position = position
        self._end = time.time() + min(_MAX_STREAM_S, max(0.0, principal.until - time.time()))

    async def events(self) -> AsyncIterator[bytes]:
        """Yield events until the token expires, an hour has passed, or the server shuts down."""
        while not self._hub.closing and (remaining_s := self._end - time.time()) > 0:
            try:
                async with asyncio.timeout(min(HEARTBEAT_S, remaining_s)):
                    await self._watcher.woken.wait()
            except TimeoutError:
                yield b": alive\n\n"
                continue
            # Before the read: a change that arrives during it must wake the watcher again.
            self._watcher.woken.clear()
            try:
                async for text in self._next_events():
                    yield text
            except Unavailable:  # the position has not advanced, so these changes are read again
                await asyncio.sleep(_RETRY_S)
                self._watcher.woken.set()

    async def _next_events(self) -> AsyncIterator[bytes]:
        changes = await self._deps.inbox_changes.since(self._recipient, self._position)
        if changes is None:
            position = await self._deps.inbox_changes.position(self._recipient)
            async for text in _snapshot(self._deps, self._recipient, position):
                yield text
            self._position = position
        elif changes:
            position = changes[-1].position
            yield _change_events(changes) + await _counts(self._deps, self._recipient, position)
            self._position = position


class _EventStream(Response):
    """A response that sends events until the client disconnects or stops reading."""

    media_type = "text/event-stream"

    def __init__(self, follower: _Follower, first: AsyncIterator[bytes], watch: ExitStack) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._follower = follower
        self._first = first
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client or the follower ends the stream."""
        if HEAD_ONLY in scope:
            self._watch.close()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        sending = asyncio.ensure_future(self._send(send))
        disconnect = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watch.close()
            for task in (sending, disconnect):
                task.cancel()
            await asyncio.gather(sending, disconnect, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            await _write(send, f"retry: {_CLIENT_RETRY_MS}\n\n".encode())
            async for text in self._first:
                await _write(send, text)
            async for text in self._follower.events():
                await _write(send, text)
        except (TimeoutError, Unavailable):
            return  # a slow client: the server closes a connection whose response is left unfinished
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(send: Send, text: bytes) -> None:
    async with asyncio.timeout(_SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": text, "more_body": True})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


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
    text = _change_events(changes) + await _counts(deps, recipient, position)
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
    async for part in entry_parts(deps.inbox_reads, InboxQuery(recipient)):
        yield begin + part
        begin = b""
    yield begin + b"]}\n\n" + await _counts(deps, recipient, position)


async def _counts(deps: ApiDeps, recipient: str, position: str) -> bytes:
    counts = await deps.inbox.counts(recipient)
    return _event("counts", {"data": count_resources(counts, deps.catalogue)}, position)


def _change_events(changes: Iterable[InboxChange]) -> bytes:
    return b"".join(_change_event(change) for change in changes)


def _change_event(change: InboxChange) -> bytes:
    """Return a change as an event; nothing for a new entry that is gone again."""
    if change.kind is InboxChangeKind.new:
        if change.item is None:
            return b""
        data = {**resource(change.item), "meta": {"line": change.item.line}}
        return _event("new", {"data": data}, change.position)
    identifiers = [{"type": "notifications", "id": entry} for entry in change.ids]
    return _event(change.kind.value, {"data": identifiers}, change.position)


def _event(name: str, data: Any, position: str) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), position.encode(), orjson.dumps(data))
