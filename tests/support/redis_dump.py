"""The whole content of a Redis, read by type, because the values of DUMP may be compressed."""

from collections.abc import AsyncIterator
from typing import Any

from service.adapters.redis.client import Store

_READ_COMMANDS = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1),
    b"stream": ("XRANGE", "-", "+"),
    b"list": ("LRANGE", 0, -1),
}


async def read_all(store: Store) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield every key under the store's prefix, with its content as one text."""
    async for keys in store.scan_keys("*"):
        for key in keys:
            (kind,) = await store.pipeline([("TYPE", key)])
            command: Any = _READ_COMMANDS.get(kind if isinstance(kind, bytes) else str(kind).encode())
            (content,) = await store.pipeline([(command[0], key, *command[1:])]) if command else [None]
            yield key, content if isinstance(content, bytes) else repr(content).encode()


async def keys_holding(store: Store, text: str) -> list[bytes]:
    """Return the keys whose name or content contains a text, ignoring case."""
    lowered = text.lower().encode()
    return [key async for key, content in read_all(store) if lowered in key.lower() + b" " + content.lower()]
