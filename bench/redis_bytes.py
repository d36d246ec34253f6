"""The memory of the keys in Redis, by what they hold."""

from collections import Counter

from redis.asyncio import Redis

_SCAN_COUNT = 1000
_HELD = b"}:held"
_CLASSES = (
    (b"}:inbox", "inbox"),
    (b"}:deliveries", "index"),
    (b"}:digests", "windows"),
    (b"}:mails", "limits"),
    (b"}:due", "due set"),
)


async def bytes_by_class(redis: Redis) -> dict[str, int]:
    """Return the memory of keys by class, and as `used` what the server says it uses for data."""
    sizes, cursor = Counter[str](), 0
    while True:
        cursor, keys = await redis.scan(cursor, count=_SCAN_COUNT)
        pipe = redis.pipeline(transaction=False)
        for key in keys:
            pipe.memory_usage(key, samples=0)
        for key, size in zip(keys, await pipe.execute(), strict=True):
            sizes[class_of(key)] += size or 0
        if not cursor:
            break
    sizes["used"] = (await redis.info("memory"))["used_memory_dataset"]
    return dict(sizes)


def class_of(key: bytes | str) -> str:
    """Return what a key holds."""
    key = key if isinstance(key, bytes) else key.encode()
    if key.startswith(b"tocsin:{l:"):
        return "ledger"
    if key.endswith(_HELD):
        return "due set"  # its index by recipient
    return next((name for part, name in _CLASSES if part in key), "other")
