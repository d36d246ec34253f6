"""Clients of one server: short timeouts and few retries, so that a stage soon notices that Redis is unavailable."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.maint_notifications import MaintNotificationsConfig

from service.adapters.redis.connect.connection import CHECKED, ConnectionRules

CONNECTIONS = 32
"""Most connections from one process to each server."""

_MOST_BLOCKING = 10_000


class ServerClient:
    """Commands to one server, or to an address that leads to the current primary.

    It connects at its first command. Commands whose connection was lost are repeated on a new one, up to `retries`
    times: writes must be idempotent. `arguments` are redis-py's for a connection. A reply is awaited for `timeout_s`;
    with `blocking` for ever.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        rules: ConnectionRules,
        timeout_s: float,
        *,
        retries: int = 3,
        blocking: bool = False,
    ) -> None:
        plain = arguments.get("connection_class", Connection)
        pool = ConnectionPool(
            **{
                **arguments,
                "connection_class": CHECKED[plain],
                "rules": rules,
                "retry": Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries),
                "socket_connect_timeout": timeout_s,
                "socket_timeout": None if blocking else timeout_s,
                "max_connections": _MOST_BLOCKING if blocking else 2 * CONNECTIONS,
                # With them, which only Redis Enterprise sends, the pool hands out connections that the server closed.
                "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            }
        )
        self._pool = pool
        self._redis = Redis(connection_pool=pool)
        self._conversions = dict(self._redis.response_callbacks)

    async def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the replies to commands, in order; an error reply is a ResponseError in its place.

        Raise redis-py's other errors.
        """
        connection: Any = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            replies: list[Any] = await connection.retry.call_with_retry(
                lambda: connection.exchange(commands), lambda _: connection.disconnect()
            )
        finally:
            await self._pool.release(connection)
        for i, command in enumerate(commands):
            convert = self._conversions.get(command[0])
            if convert is not None and not isinstance(replies[i], Exception):
                replies[i] = convert(replies[i])
        return replies

    async def primaries(self) -> "Mapping[str, ServerClient]":
        """Return itself, under an empty name: a cluster has several."""
        return {"": self}

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose(close_connection_pool=True)
