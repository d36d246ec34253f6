"""Row locks within one process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FakeRowLocks:
    """Implements the RowLocks port, for one process."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, row: str) -> AsyncIterator[None]:
        async with self._locks[row]:
            yield
