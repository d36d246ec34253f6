"""Every suppression there is, for operators to look through."""

import re
from collections.abc import AsyncIterator

from service.adapters.redis.client import Store
from service.adapters.redis.tables.rows import stands
from service.model.suppression import Suppression


async def suppressions(store: Store) -> AsyncIterator[tuple[str, Suppression]]:
    """(address key, row), in no order, each once. Reads all key names of Redis. Raises Unavailable."""
    prefix = re.sub(r"([\[\]*?^\\-])", r"\\\1", store.keys.prefix)
    seen: set[str] = set()
    async for keys in store.scan(f"{prefix}{{x:*}}:suppressed"):
        names = [name.decode() for name in keys]
        rows, _ = await store.fetch(names) if names else ([], [])
        for name, row in zip(names, rows, strict=True):
            key = name[name.rfind("{x:") + 3 : name.rfind("}")]
            if key not in seen and row is not None and stands(row):
                seen.add(key)
                yield key, Suppression.from_bytes(row)
