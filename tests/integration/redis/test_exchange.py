"""Many commands in one packet: replies keep their places, whatever is among them and however they arrive."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.exceptions import ResponseError

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.connect.server import ServerClient
from service.adapters.redis.errors import NotUsable
from service.dev.valkey import EmbeddedValkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path) as running:
        yield running


@pytest.fixture
async def client(server: EmbeddedValkey) -> AsyncIterator[ServerClient]:
    store = Store(settings.RedisSettings(url=SecretStr(server.url)))
    yield (await store.primaries())[""]
    await store.close()


async def test_an_error_among_the_replies(client: ServerClient) -> None:
    """An error reply is in the place of its command, as the first, in the middle and as the last."""
    await client.run([("SET", "text", "1")])
    wrong = ("HGET", "text", "field")
    for place in range(3):
        commands = [("GET", "text"), ("GET", "text")]
        commands.insert(place, wrong)
        replies = await client.run(commands)
        assert [isinstance(reply, ResponseError) for reply in replies] == [n == place for n in range(3)]
        assert [reply for n, reply in enumerate(replies) if n != place] == [b"1", b"1"]


async def test_replies_of_many_packets(client: ServerClient) -> None:
    """Replies that are larger than what is read at a time come whole and in order."""
    values = [bytes((65 + n % 26,)) * (n * 37 % 40_000) for n in range(600)]
    await client.run([("SET", f"large{n}", value) for n, value in enumerate(values)])
    assert await client.run([("GET", f"large{n}") for n in range(600)]) == values


async def test_a_write_that_is_refused_for_missing_replicas(client: ServerClient) -> None:
    """The other replies are kept, and the next command takes a new connection: the primary may be another by now."""
    (before,) = await client.run([("CLIENT", "ID")])
    await client.run([("SET", "kept", "1"), ("CONFIG", "SET", "min-replicas-to-write", "1")])
    try:
        first, refused, last = await client.run([("GET", "kept"), ("SET", "kept", "2"), ("GET", "kept")])
        assert (first, last) == (b"1", b"1")
        assert str(refused).startswith("NOREPLICAS")
        (after,) = await client.run([("CLIENT", "ID")])
        assert after != before
    finally:
        await client.run([("CONFIG", "SET", "min-replicas-to-write", "0")])


async def test_a_server_that_becomes_a_replica(client: ServerClient) -> None:
    """A refusal behind other replies closes the connection, and the client looks for the primary again."""
    await client.run([("SET", "kept", "1"), ("REPLICAOF", "127.0.0.1", "1")])
    with pytest.raises(NotUsable):
        await client.run([("GET", "kept"), ("SET", "kept", "2"), ("GET", "kept")])
