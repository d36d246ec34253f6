"""The URL of Redis: one server, the seed servers of a cluster, or sentinels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.connection import parse_url

from service import settings

Address = tuple[str, int]
"""Host and port."""

_SENTINEL = "+sentinel"
_SENTINEL_PORT = 26_379
_SERVER_PORT = 6_379


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """`servers` are the server, the seed servers of a cluster, or sentinels; `service` is the name these know.

    `arguments` are redis-py's for a connection, without host and port: credentials, database, TLS.
    """

    servers: Sequence[Address]
    service: str
    arguments: Mapping[str, Any]


def parse(redis: settings.RedisSettings) -> RedisUrl:
    """Return the URL of the settings in parts. Raise ValueError, whose text has no part of the URL."""
    parts = urlsplit(redis.url.get_secret_value())
    scheme, sentinel, _ = parts.scheme.partition(_SENTINEL)
    if scheme == "unix":
        return RedisUrl((), "", parse_url(redis.url.get_secret_value()))
    user, at, hosts = parts.netloc.rpartition("@")
    default_port = _SENTINEL_PORT if sentinel else _SERVER_PORT
    servers = [_address(host, default_port) for host in hosts.split(",")]
    path = parts.path
    service = ""
    if sentinel:
        service, _, database = path.strip("/").partition("/")
        path = f"/{database}"
        if not service:
            raise ValueError("with sentinels it is redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0")
        if redis.cluster:
            raise ValueError("a cluster has no sentinels: set TOCSIN_REDIS__CLUSTER to false")
    elif len(servers) > 1 and not redis.cluster:
        raise ValueError(
            "several servers are a cluster (TOCSIN_REDIS__CLUSTER) or sentinels (redis+sentinel://)"
        )
    arguments: dict[str, Any] = dict(
        parse_url(urlunsplit((scheme, f"{user}{at}host", path, parts.query, "")))
    )
    arguments.pop("host", None)
    if redis.cluster and arguments.get("db"):
        raise ValueError("a cluster has the database 0 only")
    if redis.ca_file is not None and scheme == "rediss":
        arguments["ssl_ca_certs"] = str(redis.ca_file)
    return RedisUrl(servers, service, arguments)


def describe(redis: settings.RedisSettings) -> str:
    """Return the kind of Redis and its servers, for logs: without credentials and path. Raise ValueError as `parse`."""
    url = parse(redis)
    kind = "cluster" if redis.cluster else f"sentinels of {url.service}" if url.service else "server"
    servers = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in url.servers)
    return f"{kind} {servers or 'at a socket'}"


def _address(host: str, default_port: int) -> Address:
    try:
        parts = urlsplit(f"//{host}")  # knows IPv6 in brackets
        return parts.hostname or "localhost", parts.port or default_port
    except ValueError:
        raise ValueError("the URL has an invalid host or port") from None
