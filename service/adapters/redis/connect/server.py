"""Clients of one server: short timeouts and few retries, so that a stage soon notices that Redis is unavailable."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError, MaxConnectionsError, ResponseError, TimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from service.adapters.redis.connect.connection import CHECKED, ConnectionRules, packed

CONNECTIONS = 32
"""Most connections from one process to each server."""

_MOST_BLOCKING = 10_000
_BACKOFF = ExponentialWithJitterBackoff(base=0.02, cap=0.5)


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
        self._retries = retries
        self._most = _MOST_BLOCKING if blocking else 2 * CONNECTIONS
        self._pool = ConnectionPool(
            **{
                **arguments,
                "connection_class": CHECKED[arguments.get("connection_class", Connection)],
                "rules": rules,
                "retry": Retry(NoBackoff(), 0),
                "socket_connect_timeout": timeout_s,
                "socket_timeout": None if blocking else timeout_s,
                # With them, which only Redis Enterprise sends, the pool hands out connections that the server closed.
                "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            }
        )
        self._parse = dict(Redis(connection_pool=self._pool).response_callbacks)
        self._connections: list[Any] = []
        self._idle: list[Any] = []

    async def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the replies to commands, in order; an error reply is a ResponseError in its place.

        Raise OSError or redis-py's other errors.
        """
        text = b"".join([packed(command) for command in commands])
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            replies = await self._exchange(connection, text, len(commands))
        finally:
            self._idle.append(connection)
        for i, command in enumerate(commands):
            parse = self._parse.get(command[0])
            if parse is not None and not isinstance(replies[i], ResponseError):
                replies[i] = parse(replies[i])
        return replies

    async def _exchange(self, connection: Any, text: bytes, number: int) -> list[Any]:
        failures = 0
        while True:
            try:
                replies: list[Any] = await connection.exchange(text, number)
                return replies
            except (ConnectionError, TimeoutError, OSError):
                failures += 1
                if failures > self._retries:
                    raise
                await asyncio.sleep(_BACKOFF.compute(failures))

    def _connect(self) -> Any:
        """Return a new connection, which connects at its first command."""
        if len(self._connections) == self._most:
            raise MaxConnectionsError("Too many connections")
        self._connections.append(self._pool.make_connection())  # type: ignore[no-untyped-call]
        return self._connections[-1]

    async def primaries(self) -> "Mapping[str, ServerClient]":
        """Return itself, under an empty name: a cluster has several."""
        return {"": self}

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(each.disconnect() for each in self._connections), return_exceptions=True)
