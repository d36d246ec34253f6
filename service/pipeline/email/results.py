"""Collection of relays' results in groups: while one group is stored, the next one grows."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

from service.model.mail import SendResult

DeliveryResult = tuple[str, SendResult]
"""A delivery id with the result of its attempt."""


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
            group, self._ready = self._ready, []
            yield group
