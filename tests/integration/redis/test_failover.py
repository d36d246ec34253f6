"""A fail-over that leaves every connection open: clients notice, and use the new primary within a second or two."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio.connection import AbstractConnection

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.connect import connection
from service.adapters.redis.connect.connection import Replication
from service.adapters.redis.errors import NotUsable
from service.adapters.redis.inbox.changes import RedisInboxChanges
from service.adapters.redis.inbox.inbox import RedisInbox
from service.dev.valkey import EmbeddedValkey
from service.ports import InboxItem, Unavailable
from tests.fakes.clock import FakeClock
from tests.support.redis_pair import RedisPair
from tests.support.wait import eventually


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[RedisPair]:
    async with RedisPair(tmp_path) as running:
        yield running


def store_of(pair: RedisPair, **redis: Any) -> Store:
    return Store(settings.RedisSettings(url=SecretStr(pair.url), **redis))


async def write(store: Store, name: str) -> bool:
    (added,) = await RedisInbox(store, FakeClock()).add([InboxItem(name, "bob", "t", 0, 1, {})])
    return added


async def ids(server: EmbeddedValkey) -> set[str]:
    store = Store(settings.RedisSettings(url=SecretStr(server.url)))
    try:
        return {item.id for item in await RedisInbox(store, FakeClock()).unread("bob")}
    finally:
        await store.close()


async def test_writes_reach_the_new_primary_over_connections_that_survived(pair: RedisPair) -> None:
    """READONLY drops the connection, and those as old: not one of many callers fails."""
    store = store_of(pair)
    await asyncio.gather(*(write(store, f"before-{n}") for n in range(100)))
    assert pair.proxy.connections > 10
    await pair.fail_over()

    added = await asyncio.gather(*(write(store, f"after-{n}") for n in range(100)))

    assert all(added)
    assert {f"after-{n}" for n in range(100)} <= await ids(pair.second)
    await store.close()


async def test_one_pipeline_reaches_the_new_primary(pair: RedisPair) -> None:
    """Errors inside a pipeline count too."""
    store = store_of(pair)
    await store.pipeline([("SET", "a", 1), ("GET", "a")])
    await pair.fail_over()

    assert await store.pipeline([("GET", "a"), ("SET", "b", 2), ("GET", "b")]) == [b"1", True, b"2"]
    await store.close()


async def test_reads_leave_the_old_primary(pair: RedisPair) -> None:
    """A replica answers reads, so that nothing fails: the role is asked for every second, without a round trip."""
    store = store_of(pair)
    await store.pipeline([("SET", "a", "old")])
    await pair.fail_over()
    await pair.command(pair.first, "REPLICAOF", "127.0.0.1", 1)  # it falls behind
    await pair.command(pair.second, "SET", "a", "new")

    async def new() -> bool:
        return await store.pipeline([("GET", "a")]) == [b"new"]

    started = time.monotonic()
    await eventually(new, 10)
    assert time.monotonic() - started < 2 * connection.CHECK_INTERVAL_S
    await store.close()


async def test_a_blocked_read_moves_to_the_new_primary(pair: RedisPair) -> None:
    """The live inbox streams are woken by changes on the new primary."""
    store = store_of(pair)
    changes = RedisInboxChanges(store)
    position = await changes.position("bob")
    waiting = asyncio.create_task(changes.wait_for_changes({"bob": position}, 10))
    await asyncio.sleep(0.2)
    await pair.fail_over()
    other = Store(settings.RedisSettings(url=SecretStr(pair.second.url)))

    async def woken() -> bool:
        nonlocal waiting
        if not waiting.done():
            return False
        if waiting.exception() is None and waiting.result():
            return True
        waiting = asyncio.create_task(changes.wait_for_changes({"bob": position}, 10))
        return False

    await write(other, "on-the-new-primary")
    await eventually(woken, 10)
    await other.close()
    await store.close()


async def test_a_replica_is_refused_until_the_address_leads_to_a_primary(pair: RedisPair) -> None:
    """A new connection asks for the role before it is used."""
    store = store_of(pair)
    pair.proxy.lead_to(pair.second.port)
    with pytest.raises(Unavailable, match="read-only"):
        await store.pipeline([("GET", "a")])
    pair.proxy.lead_to(pair.first.port)
    assert await store.pipeline([("GET", "a")]) == [None]
    await store.close()


async def test_a_server_that_was_a_replica_meanwhile_is_checked_again(pair: RedisPair) -> None:
    """Demoted and promoted between two questions, it may have lost writes: its history has another id."""
    store, seen = store_of(pair), list[str]()

    async def check(_: AbstractConnection, replication: Replication | None) -> None:
        assert replication is not None
        seen.append(replication.replication_id)

    store.connection_checks.append(check)
    await store.pipeline([("GET", "a")])
    await pair.command(pair.first, "REPLICAOF", "127.0.0.1", 1)
    await pair.command(pair.first, "REPLICAOF", "NO", "ONE")

    async def checked() -> bool:
        await store.pipeline([("GET", "a")])
        return len(set(seen)) == 2

    await eventually(checked, 10)
    await store.close()


async def test_a_check_that_fails_keeps_every_command_from_the_server(pair: RedisPair) -> None:
    """Both ways: another connection is made, or the command fails; nothing is sent before."""
    store, refusals = store_of(pair), [NotUsable("read_only"), Unavailable("redis: an older server")]

    async def check(*_: object) -> None:
        if refusals:
            raise refusals.pop(0)

    store.connection_checks.append(check)
    with pytest.raises(Unavailable, match="an older server"):
        await store.pipeline([("SET", "a", 1)])
    assert await store.pipeline([("GET", "a")]) == [None]
    assert pair.proxy.connections == 1
    await store.close()


async def test_without_the_right_to_ask_for_the_role_errors_decide(pair: RedisPair) -> None:
    """Access rules may forbid INFO."""
    for server in (pair.first, pair.second):
        await pair.command(server, "ACL", "SETUSER", "default", "-info")
    store = store_of(pair)
    assert await write(store, "before")
    await pair.fail_over()
    assert await write(store, "after")
    await store.close()


async def test_a_connection_is_replaced_with_age(pair: RedisPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may lead to another server, while the old one still answers as a primary."""
    monkeypatch.setattr(connection, "MOST_AGE_S", 0.2)
    store = store_of(pair)
    await store.pipeline([("SET", "where", "first")])
    await pair.command(pair.second, "REPLICAOF", "NO", "ONE")
    await pair.command(pair.second, "SET", "where", "second")
    pair.proxy.lead_to(pair.second.port)

    async def moved() -> bool:
        return await store.pipeline([("GET", "where")]) == [b"second"]

    await eventually(moved, 10)
    await store.close()


@pytest.mark.parametrize("kill", ["all", "timeout"])
async def test_idle_connections_that_the_server_closed_cost_no_request(pair: RedisPair, kill: str) -> None:
    """Neither the first command nor a later one fails, whichever of the idle connections it takes."""
    store = store_of(pair)
    await asyncio.gather(*(write(store, f"before-{n}") for n in range(100)))
    if kill == "all":
        await pair.command(pair.first, "CLIENT", "KILL", "TYPE", "normal")
    else:
        await pair.command(pair.first, "CONFIG", "SET", "timeout", 1)
        await eventually(lambda: pair.proxy.connections == 0)

    for n in range(5):
        assert await write(store, f"after-{n}")
    assert all(await asyncio.gather(*(write(store, f"later-{n}") for n in range(100))))
    await store.close()


async def test_one_silent_connection_drops_the_others(pair: RedisPair) -> None:
    """A network that swallows packets costs one timeout, not one for each idle connection."""
    store = store_of(pair, timeout=2.0)
    await asyncio.gather(*(write(store, f"before-{n}") for n in range(100)))
    pair.proxy.forget()
    started = time.monotonic()

    for n in range(20):
        assert await write(store, f"after-{n}")

    assert time.monotonic() - started < 4 * 2.0
    await store.close()


async def test_a_script_that_only_one_of_two_servers_has_is_sent_along(pair: RedisPair) -> None:
    """The address may lead every connection to another server: its text goes with the call."""
    store = store_of(pair)
    assert await write(store, "before")
    await pair.fail_over()
    await pair.command(pair.second, "SCRIPT", "FLUSH")
    await pair.command(pair.first, "SCRIPT", "FLUSH")

    assert await write(store, "after")
    await store.close()
