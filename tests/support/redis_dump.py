"""What a Redis holds, read plainly: a DUMP may be compressed."""

from collections.abc import AsyncIterator
from typing import Any

from service.adapters.redis.client import Store

_READ = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1),
    b"stream": ("XRANGE", "-", "+"),
    b"list": ("LRANGE", 0, -1),
}


async def everything(store: Store) -> AsyncIterator[tuple[bytes, bytes]]:
    """Every key under the store's prefix, with all it holds as one text."""
    async for keys in store.scan_keys("*"):
        for key in keys:
            (kind,) = await store.pipeline([("TYPE", key)])
            command: Any = _READ.get(kind if isinstance(kind, bytes) else str(kind).encode())
            (content,) = await store.pipeline([(command[0], key, *command[1:])]) if command else [None]
            yield key, content if isinstance(content, bytes) else repr(content).encode()


async def holding(store: Store, text: str) -> list[bytes]:
    """The keys whose name or content has the text, its case aside."""
    wanted = text.lower().encode()
    return [key async for key, content in everything(store) if wanted in key.lower() + b" " + content.lower()]
