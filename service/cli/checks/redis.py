"""Redis: reachable, not too old, keeps what it is given, and its tables are complete."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from service.cli.checks import Finding, fail, ok, warn
from service.ports import Unavailable
from service.settings import Settings

if TYPE_CHECKING:
    from service.adapters.redis.operate.servers import RedisServer

_OLDEST = {"Redis": (6, 2), "Valkey": (7, 2)}


async def check_redis(settings: Settings) -> Sequence[Finding]:
    """The servers, then the tables."""
    from service.adapters.redis.operate.servers import servers

    try:
        found = [finding for server in await servers(settings.redis) for finding in _server(server)]
    except Unavailable as away:
        return [fail("redis", away.reason, "start Redis, or set TOCSIN_REDIS__URL and TOCSIN_REDIS__CLUSTER")]
    except ValueError as wrong:
        return [
            fail("redis", f"the URL cannot be used: {wrong}", "set TOCSIN_REDIS__URL, as redis://HOST:PORT/0")
        ]
    return [*found, await _tables(settings)]


def _server(server: "RedisServer") -> Iterator[Finding]:
    at = f" at {server.name}" if server.name else ""
    version = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
    if version < _OLDEST[server.product]:
        oldest = ".".join(map(str, _OLDEST[server.product]))
        yield fail(
            "redis", f"{server.product} {server.version}{at}", f"use {server.product} {oldest} or newer"
        )
    else:
        yield ok("redis", f"{server.product} {server.version}{at}")
    if server.eviction == "noeviction":
        yield ok("redis memory", f"noeviction{at}")
    else:
        detail = f"{server.eviction}{at}: a full Redis would forget deliveries"
        yield fail("redis memory", detail, "set maxmemory-policy noeviction")
    if server.append_only:
        yield ok("redis persistence", f"append-only file{at}")
    else:
        detail = f"no append-only file{at}: a restart loses the ledger since the last snapshot"
        yield warn("redis persistence", detail, "set appendonly yes, or run `tocsin rebuild` after a loss")


async def _tables(settings: Settings) -> Finding:
    from service.adapters.redis.client import Store
    from service.adapters.redis.tables.tables import RedisTables

    store = Store(settings.redis)
    try:
        reason = await RedisTables(store).incomplete()
    except Unavailable as away:
        return fail("tables", away.reason, "see redis")
    finally:
        await store.close()
    if reason is None:
        return ok("tables", "complete")
    return fail("tables", f"{reason}; nothing is sent until then", "run `tocsin rebuild`")
