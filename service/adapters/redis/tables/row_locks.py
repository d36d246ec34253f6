"""Row locks: one writer of a row at a time, over all processes."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

from service.adapters.redis.client import Script, Store
from service.ports import Unavailable

_RELEASE = Script("lock_release")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.1


class RedisRowLocks:
    """The RowLocks port. A lock ends by itself after `ttl_s`, which must be longer than any write."""

    def __init__(self, store: Store, *, ttl_s: float = 30.0, patience_s: float = 10.0) -> None:
        self._store = store
        self._ttl_ms = round(ttl_s * 1000)
        self._patience_s = patience_s
        self._here: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, row: str) -> AsyncIterator[None]:
        """Wait for the row and keep it for the block. Raises Unavailable when it stays taken."""
        lock = self._here.setdefault(row, asyncio.Lock())  # those of this process wait without asking Redis
        key, token = self._store.keys.lock(row), secrets.token_hex(8)
        try:
            async with asyncio.timeout(self._patience_s):
                await lock.acquire()
        except TimeoutError:
            raise Unavailable("a row stays locked by another writer") from None
        try:
            await self._take(key, token)
            try:
                yield
            finally:
                with suppress(Unavailable):  # it ends by itself
                    await asyncio.shield(self._store.script(_RELEASE, key, token))
        finally:
            lock.release()

    async def _take(self, key: str, token: str) -> None:
        loop = asyncio.get_running_loop()
        end, wait = loop.time() + self._patience_s, _FIRST_WAIT_S
        while True:
            _, holder = await self._store.pipeline(
                [("SET", key, token, "NX", "PX", self._ttl_ms), ("GET", key)]
            )
            if holder == token.encode():
                return
            if loop.time() > end:
                raise Unavailable("a row stays locked by another writer")
            await asyncio.sleep(random.uniform(wait / 2, wait))
            wait = min(2 * wait, _LONGEST_WAIT_S)
