"""Row locks: one writer of a row at a time, over all processes."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script
from service.ports import Unavailable

_RELEASE = Script("lock_release")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.1
_LOCKED = "a row stays locked by another writer"


class RedisRowLocks:
    """Implements the RowLocks port. A lock expires by itself after `ttl_s`, which must be longer than any write."""

    def __init__(self, store: Store, *, ttl_s: float = 30.0, patience_s: float = 10.0) -> None:
        self._store = store
        self._ttl_ms = round(ttl_s * 1000)
        self._patience_s = patience_s
        self._local: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, row: str) -> AsyncIterator[None]:
        """Wait for the lock of a row and hold it for the block. Raise Unavailable when it stays locked."""
        # Writers of this process wait without polling Redis.
        lock = self._local.setdefault(row, asyncio.Lock())
        key, token = self._store.keys.lock(row), secrets.token_hex(8)
        try:
            async with asyncio.timeout(self._patience_s):
                await lock.acquire()
        except TimeoutError:
            raise Unavailable(_LOCKED) from None
        try:
            await self._take(key, token)
            try:
                yield
            finally:
                with suppress(Unavailable):  # it expires by itself
                    await asyncio.shield(self._store.run_script(_RELEASE, key, token))
        finally:
            lock.release()

    async def _take(self, key: str, token: str) -> None:
        loop = asyncio.get_running_loop()
        end, wait_s = loop.time() + self._patience_s, _FIRST_WAIT_S
        while True:
            # GET decides and not the reply to SET, which may be that of a SET repeated after a timeout
            _, holder = await self._store.pipeline(
                [("SET", key, token, "NX", "PX", self._ttl_ms), ("GET", key)]
            )
            if holder == token.encode():
                return
            if loop.time() > end:
                raise Unavailable(_LOCKED)
            await asyncio.sleep(random.uniform(wait_s / 2, wait_s))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
