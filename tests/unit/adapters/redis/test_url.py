"""URLs of Redis: a server, the seed servers of a cluster, and sentinels."""

import pytest
from pydantic import SecretStr
from redis.asyncio.connection import SSLConnection

from service import settings
from service.adapters.redis.connect.sentinel import sentinel_arguments
from service.adapters.redis.connect.url import RedisUrl, describe, parse


def parsed(url: str, **redis: object) -> RedisUrl:
    return parse(settings.RedisSettings(url=SecretStr(url), **redis))  # type: ignore[arg-type]


def test_a_server() -> None:
    """Host, port, credentials and database; ports have defaults."""
    url = parsed("redis://user:p%40ss@redis.example:7000/3")
    assert (url.servers, url.service) == ([("redis.example", 7000)], "")
    login = (url.arguments["username"], url.arguments["password"], url.arguments["db"])
    assert login == ("user", "p@ss", 3)
    assert parsed("redis://redis.example").servers == [("redis.example", 6379)]
    assert parsed("redis://[::1]:7000/0").servers == [("::1", 7000)]


def test_seed_servers_of_a_cluster() -> None:
    """Any number, with one login."""
    url = parsed("rediss://:p,w@a:1,b,[::1]:3/0", cluster=True)
    assert url.servers == [("a", 1), ("b", 6379), ("::1", 3)]
    assert url.arguments["password"] == "p,w"
    assert url.arguments["connection_class"] is SSLConnection


def test_sentinels() -> None:
    """The path names the service, then the database; the login is the servers'."""
    url = parsed("redis+sentinel://:pw@a:26380,b/mymaster/2")
    assert (url.servers, url.service) == ([("a", 26380), ("b", 26379)], "mymaster")
    assert (url.arguments["password"], url.arguments["db"]) == ("pw", 2)
    assert "db" not in parsed("redis+sentinel://a/mymaster").arguments
    tls = parsed("rediss+sentinel://a/mymaster?ssl_cert_reqs=none").arguments
    assert tls["connection_class"] is SSLConnection
    assert sentinel_arguments({**tls, "db": 2, "password": "pw"}, "", "") == {
        "ssl_cert_reqs": "none",
        "connection_class": SSLConnection,
    }


def test_a_description_for_logs() -> None:
    """Kind and servers; no login, no database."""

    def described(url: str, **redis: object) -> str:
        return describe(settings.RedisSettings(url=SecretStr(url), **redis))  # type: ignore[arg-type]

    assert described("redis://user:p%40ss@redis.example:7000/3") == "server redis.example:7000"
    assert described("rediss://:pw@a:1,[::1]:3/0", cluster=True) == "cluster a:1, [::1]:3"
    assert described("redis+sentinel://:pw@a,b/mymaster/2") == "sentinels of mymaster a:26379, b:26379"
    assert described("unix:///run/redis.sock") == "server at a socket"


@pytest.mark.parametrize(
    ("url", "cluster", "text"),
    [
        ("redis://:secret-1@a,b/0", False, "several servers"),
        ("redis+sentinel://:secret-1@a,b", False, "redis\\+sentinel://"),
        ("redis+sentinel://:secret-1@a,b/mymaster", True, "no sentinels"),
        ("redis://:secret-1@a,b/4", True, "database 0"),
        ("redis://:secret-1@a:port/0", False, "host or port"),
        ("http://:secret-1@a/0", False, "scheme"),
    ],
)
def test_what_cannot_be_used(url: str, cluster: bool, text: str) -> None:
    """The error says what is wrong, and shows no secret."""
    with pytest.raises(ValueError, match=text) as caught:
        parsed(url, cluster=cluster)
    assert "secret-1" not in str(caught.value)
