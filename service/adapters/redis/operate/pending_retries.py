"""Notes of a rebuild while it reads outcomes: when the attempt after each attempt of a delivery is due."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Store


class RedisPendingRetries:
    """Implements the PendingRetries port: one hash, `DELIVERY:ATTEMPT` → NEXT_MS, deleted after the rebuild."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = store.keys.pending_retries

    async def note(self, next_ms: Mapping[tuple[str, int], int]) -> None:
        """Store the times (ms) of next attempts by delivery id and attempts so far."""
        if next_ms:
            fields = [
                text for (name, attempt), at in next_ms.items() for text in (f"{name}:{attempt}", str(at))
            ]
            await self._store.pipeline([("HSET", self._key, *fields)])

    async def noted(self, attempts: Sequence[tuple[str, int]]) -> Sequence[int | None]:
        """Return the time (ms) of the attempt after each (delivery id, attempts so far); None where none is noted."""
        if not attempts:
            return []
        fields = [f"{name}:{attempt}" for name, attempt in attempts]
        (values,) = await self._store.pipeline([("HMGET", self._key, *fields)])
        return [None if value is None else int(value) for value in values]

    async def clear(self) -> None:
        """Delete all notes."""
        await self._store.pipeline([("UNLINK", self._key)])
