"""The live inbox: server-sent events (WHATWG HTML, 9.2), and marking everything read."""

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
from service.api.docs import answer, parameter, refusals
from service.api.errors import ApiError
from service.api.hub import Hub, TooMany, Watcher
from service.api.jsonapi import resource
from service.api.routes.inbox import count_resources, types_of
from service.ports import InboxChange, InboxChangeKind, Unavailable

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

HEARTBEAT_S = 15.0
_SLOW_S = 10.0  # a client that takes nothing for so long is cut off; it comes back with its Last-Event-ID
_LONGEST_S = 3600.0
_AGAIN_S = 1.0
_RETRY_MS = 2000
_TYPES = parameter(
    "filter[type]", {"type": "string"}, "Types by number or name, separated by commas; else all."
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
    summary="Mark all entries read",
    responses={200: answer(_MARKED, "How many there were."), **refusals(400, 401, 403, 413, 429, 503)},
    openapi_extra={"parameters": [_TYPES]},
)
async def read_all(
    principal: MayReadInbox,
    deps: Deps,
    types: Annotated[str | None, Query(alias="filter[type]", include_in_schema=False)] = None,
) -> Response:
    """Every unread entry of the caller's, or those of some types."""
    wanted = types_of(types, deps.catalogue) if types is not None else frozenset[str]()
    read = await deps.read_marks.mark_all(principal.id, wanted)
    return Response(orjson.dumps({"read": read}), media_type="application/json")


@router.get(
    "/stream",
    summary="The inbox, live",
    response_class=Response,
    responses={
        200: answer(_EVENT, "Server-sent events; the schema is that of each.", "text/event-stream"),
        **refusals(400, 401, 403, 429, 503),
    },
)
async def stream(
    request: Request,
    principal: MayReadInbox,
    deps: Deps,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """First a `snapshot`, or what came after Last-Event-ID where that is still known.

    Then `new`, `read` and `removed` as they happen, with `counts` after them. A comment every 15 seconds says
    that the line is alive.
    """
    hub: Hub = request.app.state.hub
    if hub.closing:
        raise Unavailable("the server is shutting down")
    start = await deps.inbox_changes.position(principal.id)
    with ExitStack() as stack:
        try:
            watcher = stack.enter_context(hub.watch(principal.id, start))
        except TooMany:
            detail, headers = "The inbox is watched too often at once.", {"Retry-After": "10"}
            raise ApiError(429, detail, code="too-many-streams", headers=headers) from None
        first, position = await _opening(deps, principal.id, last_event_id, start)
        return _EventStream(_Follower(deps, hub, principal, watcher, position), first, stack.pop_all())


class _Follower:
    """Turns what happens to an inbox into events, at the pace at which the client takes them."""

    def __init__(
        self, deps: ApiDeps, hub: Hub, principal: Principal, watcher: Watcher, position: str
    ) -> None:
        self._deps = deps
        self._hub = hub
        self._recipient = principal.id
        self._watcher = watcher
        self._position = position
        self._end = time.time() + min(_LONGEST_S, max(0.0, principal.until - time.time()))

    async def events(self) -> AsyncIterator[bytes]:
        """Until the token or the hour ends, or the server does."""
        while not self._hub.closing and (left := self._end - time.time()) > 0:
            try:
                async with asyncio.timeout(min(HEARTBEAT_S, left)):
                    await self._watcher.woken.wait()
            except TimeoutError:
                yield b": alive\n\n"
                continue
            self._watcher.woken.clear()
            try:
                text = await self._news()
            except Unavailable:  # the client keeps what it has, and hears the rest as soon as it can be read
                await asyncio.sleep(_AGAIN_S)
                self._watcher.woken.set()
                continue
            if text:
                yield text

    async def _news(self) -> bytes:
        changes = await self._deps.inbox_changes.since(self._recipient, self._position)
        if changes is None:
            text, self._position = await _snapshot(self._deps, self._recipient)
            return text
        if not changes:
            return b""
        self._position = changes[-1].position
        return _told(changes) + await _counts(self._deps, self._recipient, self._position)


class _EventStream(Response):
    """Sends events as they come. It ends when the client goes, or does not take what it is sent."""

    media_type = "text/event-stream"

    def __init__(self, follower: _Follower, first: bytes, watching: ExitStack) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._follower = follower
        self._first = first
        self._watching = watching

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watching.close()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            await _write(send, f"retry: {_RETRY_MS}\n\n".encode() + self._first)
            async for text in self._follower.events():
                await _write(send, text)
        except TimeoutError:
            return  # slow: the server closes a connection whose response is left unfinished
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(send: Send, text: bytes) -> None:
    async with asyncio.timeout(_SLOW_S):
        await send({"type": "http.response.body", "body": text, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _opening(deps: ApiDeps, recipient: str, last: str | None, start: str) -> tuple[bytes, str]:
    """What a client is told first, and where it stands then."""
    changes = await deps.inbox_changes.since(recipient, last) if last else None
    if changes is None or last is None:
        return await _snapshot(deps, recipient, start)
    position = changes[-1].position if changes else last
    return _told(changes) + await _counts(deps, recipient, position), position


async def _snapshot(deps: ApiDeps, recipient: str, position: str | None = None) -> tuple[bytes, str]:
    """All unread entries.

    The position is taken before, so what happens meanwhile is told again rather than missed.
    """
    if position is None:
        position = await deps.inbox_changes.position(recipient)
    items = await deps.inbox.unread(recipient)
    text = _event("snapshot", {"data": [resource(item) for item in items]}, position)
    return text + await _counts(deps, recipient, position), position


async def _counts(deps: ApiDeps, recipient: str, position: str) -> bytes:
    counts = await deps.inbox.counts(recipient)
    return _event("counts", {"data": count_resources(counts, deps.catalogue)}, position)


def _told(changes: Iterable[InboxChange]) -> bytes:
    return b"".join(_change(change) for change in changes)


def _change(change: InboxChange) -> bytes:
    if change.kind is InboxChangeKind.new:
        if change.item is None:  # new, and gone again since
            return b""
        data = {**resource(change.item), "meta": {"line": change.item.line}}
        return _event("new", {"data": data}, change.position)
    data_of = [{"type": "notifications", "id": entry} for entry in change.ids]
    return _event(change.kind.value, {"data": data_of}, change.position)


def _event(name: str, data: Any, position: str) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), position.encode(), orjson.dumps(data))
