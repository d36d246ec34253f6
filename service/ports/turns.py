"""Turns: work that does not wait lets other tasks run after each share of it."""

import asyncio
from weakref import WeakKeyDictionary

SHARE_BYTES = 128 * 1024
"""The costliest event of this size takes some 20 ms, an ordinary one less than one."""

_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class Turns:
    """The bytes that a task has worked on since other tasks ran.

    Of all tasks that work so, one has its turn in each round of the event loop: a batch of every stage would else work
    in the same round, and hold up a probe for as long as all of them together.
    """

    def __init__(self) -> None:
        self._bytes = 0

    async def worked(self, size: int) -> None:
        """Note bytes that were read or written; let other tasks run when they are a share."""
        self._bytes += size
        if self._bytes >= SHARE_BYTES:
            self._bytes = 0
            async with _queues.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                await asyncio.sleep(0)
