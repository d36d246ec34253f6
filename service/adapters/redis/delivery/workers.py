"""Heartbeats of owner epochs: without one, a claim belongs to a worker that has crashed."""

from collections.abc import Sequence

from service.adapters.redis.client import Store


class RedisWorkers:
    """Implements the Workers port: a key with a TTL for each owner epoch."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def heartbeat(self, owners: Sequence[str], ttl_s: float) -> Sequence[bool]:
        """Give these owner epochs a heartbeat for the next `ttl_s` seconds. Return whether each had one still."""
        ttl_ms = max(1, round(ttl_s * 1000))
        keys = [self._store.keys.heartbeat(owner) for owner in owners]
        before = await self._store.pipeline([("SET", key, "1", "PX", ttl_ms, "GET") for key in keys])
        return [value is not None for value in before]

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        """Return for each owner epoch whether it has a heartbeat."""
        if not owners:
            return []
        rows, _ = await self._store.fetch([self._store.keys.heartbeat(owner) for owner in owners])
        return [row is not None for row in rows]
