"""The replies on a connection to Redis: parsed as they arrive, and handed over together."""

import asyncio
from typing import Any

import hiredis
from redis import exceptions as redis

_INCOMPLETE = object()


class Replies(asyncio.Protocol):
    """Takes a connection over from redis-py's streams, once that has logged in.

    A stream wakes the waiting task for each packet, through several layers; here it is woken once, with all replies.
    `before` is the protocol of the streams: it still learns what becomes of the connection.
    """

    def __init__(self, before: Any, parse_error: Any) -> None:
        self._before = before
        self._reader = hiredis.Reader(redis.InvalidResponse, parse_error, notEnoughData=_INCOMPLETE)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[list[Any]] | None = None
        self._replies: list[Any] = []
        self._number = 0
        self._progress_s = 0.0

    async def receive(self, number: int, timeout_s: float | None) -> list[Any]:
        """Return so many replies, an error reply as an exception in its place.

        Raise TimeoutError when none has come for that time, redis-py's errors when the connection is lost.
        """
        self._number, self._replies = number, []
        waiter: asyncio.Future[list[Any]] = self._loop.create_future()
        self._waiter = waiter
        if timeout_s is None:
            return await waiter
        self._progress_s = self._loop.time()
        timer = self._loop.call_later(timeout_s, self._check_progress, timeout_s)
        try:
            return await waiter
        finally:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        self._progress_s = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                if not isinstance(reply, hiredis.PushNotification):
                    self._replies.append(reply)
        except redis.InvalidResponse as error:
            self._fail(error)
            return
        if len(self._replies) >= self._number and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self._replies)

    def eof_received(self) -> bool | None:
        """Note that the server has closed the connection."""
        self._fail(redis.ConnectionError("the server closed the connection"))
        closes: bool | None = self._before.eof_received()
        return closes

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection is closed."""
        self._fail(error or redis.ConnectionError("the connection was closed"))
        self._before.connection_lost(error)

    def pause_writing(self) -> None:
        """Tell the streams, whose close waits for it."""
        self._before.pause_writing()

    def resume_writing(self) -> None:
        """Tell the streams."""
        self._before.resume_writing()

    def _check_progress(self, timeout_s: float) -> None:
        """Fail when nothing has come for the time, else look again when that would be so."""
        waiter, left_s = self._waiter, self._progress_s + timeout_s - self._loop.time()
        if left_s <= 0:
            self._fail(TimeoutError("no reply in time"))
        elif waiter is not None and not waiter.done():
            timer = self._loop.call_later(left_s, self._check_progress, timeout_s)
            waiter.add_done_callback(lambda _: timer.cancel())

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
