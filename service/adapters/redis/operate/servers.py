"""What a Redis says about itself: for checks by people, not for stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio.cluster import RedisCluster

from service import settings
from service.adapters.redis.connect import connect
from service.adapters.redis.errors import unavailable


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One server. `eviction` is its maxmemory-policy, `limit_bytes` its maxmemory (0: none)."""

    name: str
    product: str
    version: str
    eviction: str
    limit_bytes: int
    append_only: bool


async def servers(redis: settings.RedisSettings) -> Sequence[RedisServer]:
    """The server, or every primary of the cluster. Raises Unavailable.

    By INFO alone: hosted Redis often forbids CONFIG.
    """
    client = connect(redis)
    try:
        with unavailable():
            if isinstance(client, RedisCluster):
                found = await client.info(target_nodes=RedisCluster.PRIMARIES)
                return [_server(name, told) for name, told in sorted(found.items())]
            return [_server("", await client.info())]
    finally:
        await client.aclose()


def _server(name: str, told: Mapping[str, Any]) -> RedisServer:
    valkey = told.get("valkey_version")
    return RedisServer(
        name,
        "Valkey" if valkey else "Redis",
        str(valkey or told.get("redis_version", "?")),
        str(told.get("maxmemory_policy", "?")),
        int(told.get("maxmemory", 0)),
        bool(int(told.get("aof_enabled", 0))),
    )
