"""Heartbeats of owner epochs: without one, a claim belongs to a worker that has crashed."""

from collections.abc import Sequence

from service.adapters.redis.client import Store


class RedisWorkers:
    """Implements the Workers port: a key with a TTL for each owner epoch."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def heartbeat(self, owner: str, ttl_s: float) -> None:
        """Give this owner epoch a heartbeat for the next `ttl_s` seconds."""
        key = self._store.keys.heartbeat(owner)
        await self._store.pipeline([("SET", key, "1", "PX", max(1, round(ttl_s * 1000)))])

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        """Return for each owner epoch whether it has a heartbeat."""
        if not owners:
            return []
        rows, _ = await self._store.fetch([self._store.keys.heartbeat(owner) for owner in owners])
        return [row is not None for row in rows]
