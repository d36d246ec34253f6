"""HTTP requests recorded by their Idempotency-Key."""

from service.adapters.redis.client import Store
from service.ports import IdempotencyRecord, IdempotencyState

_DAY_S = 86_400
_RUNNING_S = 60  # a process that dies during a request blocks its key no longer


class RedisIdempotency:
    """Implements the Idempotency port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        """Claim a key for a request with this fingerprint; return the record of the request that has the key.

        The state is `first` if the claim succeeded.
        """
        name = self._store.keys.idempotent_request(key)
        claimed, stored = await self._store.pipeline(
            [("SET", name, f"{fingerprint}\n", "NX", "EX", _RUNNING_S), ("GET", name)]
        )
        if claimed or stored is None:
            return IdempotencyRecord(IdempotencyState.first)
        stored_fingerprint, _, answer = stored.partition(b"\n")
        if stored_fingerprint != fingerprint.encode():
            return IdempotencyRecord(IdempotencyState.mismatch)
        return (
            IdempotencyRecord(IdempotencyState.done, answer)
            if answer
            else IdempotencyRecord(IdempotencyState.running)
        )

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Store the answer for a day."""
        name = self._store.keys.idempotent_request(key)
        await self._store.pipeline([("SET", name, f"{fingerprint}\n".encode() + answer, "EX", _DAY_S)])

    async def release(self, key: str) -> None:
        """Delete a request that changed nothing, so that it may be sent again."""
        await self._store.pipeline([("DEL", self._store.keys.idempotent_request(key))])
