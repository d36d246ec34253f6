"""Collects what relays answer, a group at a time: while one group is marked, the next one grows."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

from service.model.mail import SendResult

Answer = tuple[str, SendResult]


class SendResults:
    """The results of mails in flight by delivery id, in the order in which they come."""

    def __init__(self, futures: Mapping[str, "asyncio.Future[SendResult]"]) -> None:
        self._left = len(futures)
        self._ready: list[Answer] = []
        self._event = asyncio.Event()
        for delivery, future in futures.items():
            future.add_done_callback(partial(self._put, delivery))

    def _put(self, delivery: str, done: "asyncio.Future[SendResult]") -> None:
        # A cancelled future says nothing: the delivery stays `sending` and is found by the next owner.
        if not done.cancelled():
            self._ready.append((delivery, done.result()))
        self._left -= 1
        self._event.set()

    async def groups(self) -> AsyncIterator[list[Answer]]:
        """Groups of results until every mail has one."""
        while self._left or self._ready:
            if not self._ready:
                self._event.clear()
                await self._event.wait()
                continue
            group, self._ready = self._ready, []
            yield group
