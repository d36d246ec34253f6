"""Signs of life: tell a claim whose worker died from one that is still at work."""

from collections.abc import Sequence

from service.adapters.redis.client import Store


class RedisWorkers:
    """The Workers port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def beat(self, owner: str, ttl_s: float) -> None:
        """Count as alive for the next `ttl_s` seconds."""
        key = self._store.keys.alive(owner)
        await self._store.pipeline([("SET", key, "1", "PX", max(1, round(ttl_s * 1000)))])

    async def alive(self, owners: Sequence[str]) -> Sequence[bool]:
        """For each whether it has beaten lately."""
        if not owners:
            return []
        rows, _ = await self._store.fetch([self._store.keys.alive(owner) for owner in owners])
        return [row is not None for row in rows]
