"""Errors while Redis is unavailable, and recovery afterwards without a restart."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.http.rate_limits import RedisRateLimits
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.operate.servers import servers
from service.adapters.redis.tables.tables import RedisTables
from service.dev.valkey import EmbeddedValkey
from service.model.ids import event_key
from service.ports import InboxItem, Unavailable
from tests.fakes.clock import FakeClock
from tests.support.completeness import mark_complete
from tests.support.paths import ROOT

PASSWORD = "s3cret-word"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path) as running:
        yield running


@pytest.fixture
async def store(server: EmbeddedValkey) -> AsyncIterator[Store]:
    opened = store_of(server)
    yield opened
    await opened.close()


def store_of(server: EmbeddedValkey, password: str = "", timeout: float = 30.0) -> Store:
    url = server.url.replace("redis://", f"redis://:{password}@" if password else "redis://")
    return Store(settings.RedisSettings(url=SecretStr(url), timeout=timeout))


async def write(store: Store, name: str = "a") -> bool:
    (added,) = await RedisInbox(store, FakeClock()).add([InboxItem(name, "bob", "t", 0, 1, {})])
    return added


async def reason(store: Store) -> str:
    """Return why a write fails; it contains no secret."""
    with pytest.raises(Unavailable) as caught:
        await write(store, "refused")
    assert PASSWORD not in str(caught.value)
    return caught.value.reason


async def admin(server: EmbeddedValkey, *command: str | int) -> None:
    client: Any = Redis.from_url(server.url)
    async with client:
        await client.execute_command(*command)


async def test_a_killed_server_is_unavailable_until_it_is_back(server: EmbeddedValkey, store: Store) -> None:
    """Raise only Unavailable meanwhile; the same store works again after the restart, scripts included."""
    assert await write(store, "a")
    server.kill()
    assert await reason(store) == "redis: cannot connect"
    server.start()
    async with asyncio.timeout(30):
        assert await write(store, "b")
    assert [item.id for item in await RedisInbox(store, FakeClock()).unread("bob")][-1] == "b"


async def test_a_server_that_does_not_answer(server: EmbeddedValkey, store: Store) -> None:
    """A frozen server times out."""
    await write(store)
    impatient = store_of(server, timeout=0.2)
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            assert await reason(impatient) == "redis: no answer in time"
    finally:
        os.kill(server.pid, signal.SIGCONT)
        await impatient.close()
    assert await write(store, "b")


async def test_a_wrong_password(server: EmbeddedValkey) -> None:
    """Refused credentials are an outage and not an error of the records."""
    await admin(server, "CONFIG SET", "requirepass", "another")
    store = store_of(server, PASSWORD)
    assert await reason(store) == "redis: it refuses our credentials"
    await store.close()


async def test_the_rights_of_the_documented_user_are_enough(server: EmbeddedValkey) -> None:
    """docs/security.md shows a Redis user that is limited to Tocsin's keys."""
    (rights,) = re.findall(r"`user tocsin on >… (.+?)`", (ROOT / "docs" / "security.md").read_text())
    await admin(server, "ACL", "SETUSER", "tocsin", "on", f">{PASSWORD}", *rights.split())
    url = server.url.replace("redis://", f"redis://tocsin:{PASSWORD}@")
    store = Store(settings.RedisSettings(url=SecretStr(url)))
    await mark_complete(store)
    await store.probe()
    assert await write(store)
    assert [keys async for keys in store.scan_keys("*")]
    assert (await RedisRateLimits(store).hit("9/minute", "bob")).allowed
    (info,) = await servers(settings.RedisSettings(url=SecretStr(url)))
    assert info.product == "Valkey"
    with pytest.raises(Unavailable, match="access rules"):
        await store.pipeline([("SET", "another", 1)])
    await store.close()


async def test_out_of_memory(server: EmbeddedValkey, store: Store) -> None:
    """A full server refuses writes and still answers reads."""
    await write(store)
    await admin(server, "CONFIG SET", "maxmemory", "1")
    assert await reason(store) == "redis: it is out of memory"
    assert await RedisLedger(store).head(event_key("s", "none")) is None
    await admin(server, "CONFIG SET", "maxmemory", "0")
    assert await write(store, "b")


async def test_a_replica_is_read_only(server: EmbeddedValkey, store: Store) -> None:
    """A server that has become a replica takes no writes."""
    await write(store)
    await admin(server, "REPLICAOF", "127.0.0.1", 1)
    assert await reason(store) == "redis: it is read-only"
    await admin(server, "REPLICAOF", "NO", "ONE")
    assert await write(store, "b")


async def test_a_busy_server(server: EmbeddedValkey, store: Store) -> None:
    """A server that runs a long script is unavailable."""
    await write(store)
    await admin(server, "CONFIG SET", "busy-reply-threshold", 10)
    endless = asyncio.create_task(admin(server, "EVAL", "while true do end", 0))
    try:
        async with asyncio.timeout(30):
            while await outcome(store) != "redis: it is busy with a script":
                pass
    finally:
        await admin(server, "SCRIPT KILL")
        await asyncio.gather(endless, return_exceptions=True)


async def outcome(store: Store) -> str:
    """Return why a write fails, or nothing."""
    try:
        await write(store)
    except Unavailable as error:
        return error.reason
    return ""


async def test_flushed_scripts_are_loaded_again(server: EmbeddedValkey, store: Store) -> None:
    """After SCRIPT FLUSH the same call loads its scripts again."""
    await write(store)
    await admin(server, "SCRIPT", "FLUSH")
    assert await write(store, "b")


async def test_an_emptied_server_is_incomplete(server: EmbeddedValkey, store: Store) -> None:
    """After FLUSHALL the mark is absent, so nothing is sent."""
    tables = RedisTables(store)
    await mark_complete(store)
    assert await tables.incomplete() is None
    await admin(server, "FLUSHALL")
    assert await tables.incomplete()


async def test_many_callers_share_few_connections(server: EmbeddedValkey, store: Store) -> None:
    """With more callers than connections, callers wait for a connection."""
    added = await asyncio.gather(*(write(store, f"i{n}") for n in range(300)))

    assert all(added)
