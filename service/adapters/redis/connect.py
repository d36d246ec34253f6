"""Connections: short timeouts and few retries, so that a stage soon notices that Redis is unavailable."""

from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from service import settings

CONNECTIONS = 32
"""Most connections from one process to each server."""

_RETRIES = 3


class _Packing:
    """A connection that packs commands in C: a tenth of the time for the long argument lists of a batch."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return one command as RESP; the first argument may be two words."""
        return [hiredis.pack_command((*str(args[0]).split(), *args[1:]))]


class _PackingConnection(_Packing, Connection):
    pass


class _PackingSSLConnection(_Packing, SSLConnection):
    pass


def connect(redis: settings.RedisSettings) -> "Redis | RedisCluster":
    """Return a client. It connects at its first command and repeats one that timed out: writes must be idempotent."""
    url = redis.url.get_secret_value()
    retry = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), _RETRIES)
    kwargs: dict[str, Any] = {"socket_timeout": redis.timeout, "socket_connect_timeout": redis.timeout}
    if redis.ca_file is not None and url.startswith("rediss:"):
        kwargs["ssl_ca_certs"] = str(redis.ca_file)
    if redis.cluster:
        return RedisCluster.from_url(url, retry=retry, max_connections=2 * CONNECTIONS, **kwargs)
    return Redis(connection_pool=_pool(url, retry=retry, max_connections=2 * CONNECTIONS, **kwargs))


def connect_blocking(redis: settings.RedisSettings) -> "Redis | RedisCluster":
    """Return a client for commands that block on the server: no timeout on replies, no retries."""
    url = redis.url.get_secret_value()
    kwargs: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": redis.timeout}
    if redis.ca_file is not None and url.startswith("rediss:"):
        kwargs["ssl_ca_certs"] = str(redis.ca_file)
    retry = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), 0)
    if redis.cluster:
        return RedisCluster.from_url(url, retry=retry, max_connections=10_000, **kwargs)
    return Redis(connection_pool=_pool(url, retry=retry, max_connections=10_000, **kwargs))


def _pool(url: str, **kwargs: Any) -> ConnectionPool:
    kwargs |= parse_url(url)
    packing = {Connection: _PackingConnection, SSLConnection: _PackingSSLConnection}
    plain = kwargs.get("connection_class", Connection)
    kwargs["connection_class"] = packing.get(plain, plain)
    return ConnectionPool(**kwargs)
