"""Facts about Redis servers by INFO, for checks by operators and not for stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.errors import unavailable


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A server. `eviction` is its maxmemory-policy, `limit_bytes` its maxmemory (0: none).

    `replicas` are those connected; `needs_replicas` is whether it refuses writes without them (min-replicas-to-write).
    """

    name: str
    product: str
    version: str
    eviction: str
    limit_bytes: int
    append_only: bool
    replicas: int
    needs_replicas: bool


async def servers(redis: settings.RedisSettings) -> Sequence[RedisServer]:
    """Return the server, or every primary of the cluster. Raise Unavailable.

    Uses INFO alone, because hosted Redis often forbids CONFIG.
    """
    store = Store(redis)
    try:
        with unavailable():
            clients = await store.primaries()
            return [_server(name, (await clients[name].run([("INFO",)]))[0]) for name in sorted(clients)]
    finally:
        await store.close()


def _server(name: str, info: Mapping[str, Any]) -> RedisServer:
    valkey = info.get("valkey_version")
    return RedisServer(
        name,
        "Valkey" if valkey else "Redis",
        str(valkey or info.get("redis_version", "?")),
        str(info.get("maxmemory_policy", "?")),
        int(info.get("maxmemory", 0)),
        bool(int(info.get("aof_enabled", 0))),
        int(info.get("connected_slaves", 0)),
        "min_slaves_good_slaves" in info,  # which is there only while min-replicas-to-write is set
    )
