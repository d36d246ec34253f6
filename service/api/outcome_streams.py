"""Live streams of outcomes as server-sent events (WHATWG HTML, 9.2), for operators."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.errors import ApiError
from service.api.middleware import HEAD_ONLY
from service.model.outcome import Outcome
from service.model.record import Record
from service.pipeline.operate.cursors import cursor_of
from service.pipeline.operate.outcome_filter import OutcomeFilter
from service.ports import Positions, RecordLog, Unavailable

log = structlog.get_logger(__name__)

_MOST_STREAMS = 20
_MAX_STREAM_S = 3600.0
_HEARTBEAT_S = 15.0
_SEND_TIMEOUT_S = 10.0  # a client that reads nothing for so long is disconnected; it resumes by Last-Event-ID
_QUEUED = 1000
_MOST_A_CHUNK = 500

Text = Callable[[Outcome], bytes]
"""Returns an outcome as the data of an event: one line."""


@dataclass(frozen=True, slots=True)
class OutcomeQuery:
    """What a stream shows: outcomes that match, from some positions on, for `lifetime_s` seconds at most."""

    chosen: OutcomeFilter
    start: Positions
    text: Text
    lifetime_s: float


class OutcomeStreams:
    """The live streams of outcomes of this process, each with its own reader of Kafka: at most 20."""

    def __init__(self, log: RecordLog) -> None:
        self.closing = asyncio.Event()
        self._log = log
        self._open = 0

    def response(self, query: OutcomeQuery) -> Response:
        """Return a stream as a response. Raise ApiError 429 where there are too many."""
        if self._open >= _MOST_STREAMS:
            headers = {"Retry-After": "10"}
            raise ApiError(429, "There are too many open streams.", code="too-many-streams", headers=headers)
        return _OutcomeStream(self, query)

    def close(self) -> None:
        """End every stream."""
        self.closing.set()


class _OutcomeStream(Response):
    media_type = "text/event-stream"

    def __init__(self, streams: OutcomeStreams, query: OutcomeQuery) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._query = query
        self._positions = dict(query.start)
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers, then events until the client leaves, time is up or the server stops."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if HEAD_ONLY not in scope:
            self._streams._open += 1
            try:
                await self._run(receive, send)
            finally:
                self._streams._open -= 1
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, receive: Receive, send: Send) -> None:
        reading = asyncio.create_task(self._read(), name="outcome-stream")
        writing = asyncio.create_task(self._write(send), name="outcome-stream")
        ends = [reading, writing, *map(asyncio.create_task, (_gone(receive), self._streams.closing.wait()))]
        try:
            await asyncio.wait(ends, timeout=self._query.lifetime_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        for task in (reading, writing):
            with suppress(asyncio.CancelledError, TimeoutError, Unavailable):
                task.result()  # a slow client or an outage of Kafka: it resumes

    async def _read(self) -> None:
        """Queue the outcomes that match. A full queue makes the reading wait, and Kafka keeps the rest."""
        async with aclosing(self._streams._log.follow(self._query.start)) as records:
            async for record in records:
                self._positions[record.topic, record.partition] = record.offset + 1
                if (outcome := _outcome_in(record)) is not None and self._query.chosen.matches(outcome):
                    text = self._query.text(outcome)
                    event = b"event: outcome\nid: %b\ndata: %b\n\n" % (self._id(), text)
                    await self._queue.put(event)

    async def _write(self, send: Send) -> None:
        text = b"retry: 2000\n\n"
        while True:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": text, "more_body": True})
            try:
                first = await asyncio.wait_for(self._queue.get(), _HEARTBEAT_S)
                text = b"".join([first, *self._queued()])
            except TimeoutError:
                # With an id and no data: nothing is shown, and a client that resumes does not read the rest again.
                text = b": alive\nid: %b\n\n" % self._id()

    def _queued(self) -> Iterator[bytes]:
        for _ in range(min(self._queue.qsize(), _MOST_A_CHUNK)):
            yield self._queue.get_nowait()

    def _id(self) -> bytes:
        return cursor_of(self._positions).encode()


async def _gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _outcome_in(record: Record) -> Outcome | None:
    try:
        return Outcome.from_bytes(record.value or b"")
    except ValueError:  # a read mark, or what another program wrote
        return None


def lifetime_s(until: float, now: float) -> float:
    """Return for how long a stream may last whose credential expires at a time (s)."""
    return max(0.0, min(_MAX_STREAM_S, until - now))
