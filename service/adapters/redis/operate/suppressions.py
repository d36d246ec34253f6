"""All suppressions, for operators to list."""

from collections.abc import AsyncIterator

from service.adapters.redis.client import Store
from service.adapters.redis.tables.rows import is_current, suppression_of
from service.model.blocks.suppression import Suppression


async def suppressions(store: Store) -> AsyncIterator[tuple[str, Suppression]]:
    """Yield (address key, row), in no order, each once. Reads all key names of Redis. Raise Unavailable."""
    seen: set[str] = set()  # SCAN may return a key twice
    async for keys in store.scan_keys("{x:*}:suppressed"):
        names = [name.decode() for name in keys]
        rows, _ = await store.fetch(names) if names else ([], [])
        for name, row in zip(names, rows, strict=True):
            key = name[name.rfind("{x:") + 3 : name.rfind("}")]
            if key not in seen and is_current(row):
                seen.add(key)
                yield key, suppression_of(row)
