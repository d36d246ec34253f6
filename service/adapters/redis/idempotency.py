"""HTTP requests remembered by their Idempotency-Key."""

from service.adapters.redis.client import Store
from service.ports import IdempotencyRecord, IdempotencyState

_DAY_S = 86_400
_RUNNING_S = 60  # a process that dies during a request blocks its key no longer


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
