"""Turns: work that does not wait lets other tasks run after each share of it."""

import asyncio

SHARE_BYTES = 128 * 1024
"""The costliest event of this size takes some 20 ms, an ordinary one less than one."""


class Turns:
    """The bytes that a task has worked on since other tasks ran."""

    def __init__(self) -> None:
        self._bytes = 0

    async def worked(self, size: int) -> None:
        """Note bytes that were read or written; let other tasks run when they are a share."""
        self._bytes += size
        if self._bytes >= SHARE_BYTES:
            self._bytes = 0
            await asyncio.sleep(0)
