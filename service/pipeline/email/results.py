"""Collection of relays' results in groups: while one group is stored, the next one grows.

Each group is a few calls of Redis and records of Kafka, however small it is. Where several workers share the mail, or
relays are slow, few results come while a group is stored. So a small group waits a little for more, but only while far
more messages are out: a worker with few messages stores each result at once.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

from service.model.mail import SendResult

DeliveryResult = tuple[str, SendResult]
"""A delivery id with the result of its attempt."""
_SMALL = 8  # a group is small while this many times as many messages are out
_GATHER_S = 0.005


class SendResults:
    """The results of messages in flight, in the order in which they come."""

    def __init__(self, futures: Mapping[str, "asyncio.Future[SendResult]"]) -> None:
        self._pending = len(futures)
        self._ready: list[DeliveryResult] = []
        self._event = asyncio.Event()
        for delivery, future in futures.items():
            future.add_done_callback(partial(self._put, delivery))

    def _put(self, delivery: str, done: "asyncio.Future[SendResult]") -> None:
        # A cancelled future has no result: its message was not claimed, and its record is read again.
        if not done.cancelled():
            self._ready.append((delivery, done.result()))
        self._pending -= 1
        self._event.set()

    async def groups(self) -> AsyncIterator[list[DeliveryResult]]:
        """Yield groups of results until every message has one."""
        while self._pending or self._ready:
            if not self._ready:
                self._event.clear()
                await self._event.wait()
                continue
            if self._pending > _SMALL * len(self._ready):
                await asyncio.sleep(_GATHER_S)
            group, self._ready = self._ready, []
            yield group
