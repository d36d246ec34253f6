"""One writer a row, and requests remembered by their Idempotency-Key."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

from service.adapters.redis.client import Script, Store
from service.ports import IdempotencyRecord, IdempotencyState, Unavailable

_RELEASE = Script("lock_release")
_DAY_S = 86_400
_RUNNING_S = 60  # a process that dies in the middle of a request leaves its key no longer
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


class RedisIdempotency:
    """The Idempotency port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        """Claim a key for a request with this fingerprint, or tell what became of the request that has it."""
        name = self._store.keys.request(key)
        claimed, standing = await self._store.pipeline(
            [("SET", name, f"{fingerprint}\n", "NX", "EX", _RUNNING_S), ("GET", name)]
        )
        if claimed or standing is None:
            return IdempotencyRecord(IdempotencyState.first)
        known, _, answer = standing.partition(b"\n")
        if known != fingerprint.encode():
            return IdempotencyRecord(IdempotencyState.mismatch)
        return (
            IdempotencyRecord(IdempotencyState.done, answer)
            if answer
            else IdempotencyRecord(IdempotencyState.running)
        )

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Keep the answer."""
        name = self._store.keys.request(key)
        await self._store.pipeline([("SET", name, f"{fingerprint}\n".encode() + answer, "EX", _DAY_S)])

    async def release(self, key: str) -> None:
        """Forget a request that changed nothing, so that it may be sent again."""
        await self._store.pipeline([("DEL", self._store.keys.request(key))])
