"""The clients of one process: for commands, and for those that block on the server. The URL decides what they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from service import settings
from service.adapters.redis.connect.cluster import ClusterClient
from service.adapters.redis.connect.connection import ConnectionCheck, ConnectionRules
from service.adapters.redis.connect.sentinel import Sentinels, sentinel_arguments
from service.adapters.redis.connect.server import ServerClient
from service.adapters.redis.connect.url import RedisUrl, parse


class RedisClients:
    """Clients that share their rules: what one connection shows about the server holds for all of them.

    `checks` are called for each new connection. Connects at the first command. Raise ValueError for an invalid URL.
    """

    def __init__(self, redis: settings.RedisSettings, checks: list[ConnectionCheck]) -> None:
        url = parse(redis)
        self._sentinels = _sentinels(redis, url) if url.service else None
        self._arguments = dict(url.arguments)
        if url.servers:  # with sentinels the host is asked for each connection
            self._arguments["host"], self._arguments["port"] = url.servers[0]
        self._rules = ConnectionRules(checks=checks, locator=self._sentinels)
        self._timeout_s = redis.timeout
        self._blocking: ServerClient | None = None
        self._main: ServerClient | ClusterClient
        if redis.cluster:
            self._main = ClusterClient(url, checks, redis.timeout)
        else:
            self._main = ServerClient(self._arguments, self._rules, redis.timeout)

    async def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the replies to commands; an error reply is a ResponseError in its place."""
        return await self._main.run(commands)

    async def run_blocking(self, command: Sequence[Any]) -> Any:
        """Return the reply to a command that blocks on the server. Not for a cluster."""
        if self._blocking is None:
            self._blocking = ServerClient(
                self._arguments, self._rules, self._timeout_s, retries=0, blocking=True
            )
        return (await self._blocking.run([command]))[0]

    async def primaries(self) -> Mapping[str, ServerClient]:
        """Return the client of each primary by its address; the address of a single server is an empty string."""
        return await self._main.primaries()

    async def slots_of_primaries(self) -> Sequence[int]:
        """Return one slot of each primary of a cluster, as last known."""
        assert isinstance(self._main, ClusterClient)
        return await self._main.slots_of_primaries()

    async def close(self) -> None:
        """Close all connections."""
        await self._main.close()
        if self._blocking is not None:
            await self._blocking.close()
        if self._sentinels is not None:
            await self._sentinels.close()


def _sentinels(redis: settings.RedisSettings, url: RedisUrl) -> Sentinels:
    password = redis.sentinel_password.get_secret_value()
    arguments = sentinel_arguments(url.arguments, redis.sentinel_username, password)
    return Sentinels(url.servers, url.service, arguments, redis.timeout)
