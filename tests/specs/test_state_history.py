"""Spec of the StateHistory port, and the refusal of servers whose history is not known."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.connect.connection import Replication
from service.adapters.redis.connect.lineage import LineageCheck
from service.adapters.redis.state_history import RedisStateHistory
from service.model.ids import delivery_id, event_key
from service.ports import ABSENT, StateHistory, Unavailable
from service.ports.state_history import CatchUp, Lineage, StateCheckpoint
from tests.fakes.state_history import FakeStateHistory
from tests.specs.backend import redis_backend
from tests.support.completeness import mark_complete
from tests.support.redis_cluster import shared_cluster
from tests.support.redis_pair import RedisPair
from tests.support.replicated_valkey import ReplicatedValkey
from tests.support.stack import shared_valkey
from tests.support.wait import eventually

EVENT = event_key("s", "1")
DELIVERY = delivery_id(EVENT, "r", "email")


@pytest.fixture(params=["fake", "valkey", "cluster"])
async def history(request: pytest.FixtureRequest) -> AsyncIterator[StateHistory]:
    """Yield a history without anything in it."""
    if request.param == "fake":
        yield FakeStateHistory()
        return
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    opened = Store(settings.RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:"))
    yield RedisStateHistory(opened)
    await opened.close()


async def test_a_new_server_has_no_history(history: StateHistory) -> None:
    """It names itself, and nothing else."""
    status = await history.status()
    assert status.servers
    assert (status.lineage, status.checkpoint_ms, status.incomplete) == (None, None, ABSENT)
    assert await history.checkpoint_until(10**15) is None
    assert await history.last_catch_up() is None


async def test_checkpoints_and_accepted_servers_are_kept(history: StateHistory) -> None:
    """The newest checkpoint until a time is found; old ones are dropped."""
    for at in range(1000, 200_000, 1000):
        await history.write_checkpoint(StateCheckpoint(at, {("t", 0): at}))
    await history.accept(Lineage(3, frozenset({"a", "b"})))
    status = await history.status()
    assert (status.lineage, status.checkpoint_ms) == ((3, {"a", "b"}), 199_000)
    assert await history.checkpoint_until(150_500) == StateCheckpoint(150_000, {("t", 0): 150_000})
    early = await history.checkpoint_until(50_500)
    assert early is not None
    assert 40_000 < early.at_ms <= 50_500
    assert await history.checkpoint_until(500) is None


async def test_one_owner_at_a_time_has_the_turn(history: StateHistory) -> None:
    """It keeps the turn by asking again."""
    taken = await asyncio.gather(*(history.take_turn("t", f"owner{n}", 60) for n in range(5)))
    assert taken.count(True) == 1
    owner = f"owner{taken.index(True)}"
    assert await history.take_turn("t", owner, 60)
    assert await history.take_turn("other", "owner9", 60)


async def test_the_last_catch_up_is_kept(history: StateHistory) -> None:
    """With its cause and its times."""
    await history.record_catch_up(CatchUp("another_server", 5, 7))
    await history.record_catch_up(CatchUp("another_server", 5, 7, 9, 100))
    assert await history.last_catch_up() == CatchUp("another_server", 5, 7, 9, 100)


async def test_a_promoted_replica_answers_nothing_until_it_is_accepted(tmp_path: Path) -> None:
    """Neither reads nor writes, on old connections and on new ones; without the check its older data would be read."""
    async with ReplicatedValkey(tmp_path) as servers:
        redis = settings.RedisSettings(url=SecretStr(servers.url))
        store = Store(redis, guarded=True)
        history, backend = RedisStateHistory(store), redis_backend(store)
        store.connection_checks.append(LineageCheck(history.lineage))
        await mark_complete(store)
        await history.accept(Lineage(1, (await history.status()).servers))
        assert await backend.ledger.entry(EVENT, DELIVERY) is None
        await servers.wait_until_replicated()
        servers.hold_replication()
        await servers.fail_over()

        async def refused() -> bool:
            try:
                await backend.ledger.entry(EVENT, DELIVERY)
            except Unavailable as unavailable:
                return "another server" in unavailable.reason
            return False

        await eventually(refused)
        results = await asyncio.gather(*(refused() for _ in range(50)))
        assert all(results)
        status = await history.status()
        assert status.lineage is not None
        assert not status.servers & status.lineage.servers
        await history.accept(Lineage(2, status.servers))
        assert await backend.ledger.entry(EVENT, DELIVERY) is None
        await history.accept(Lineage(1, status.servers))
        await servers.command(servers.replica, "CLIENT", "KILL", "TYPE", "normal")
        assert await backend.ledger.entry(EVENT, DELIVERY) is None, (
            "an accepted server is not asked for again"
        )
        await store.close()


async def test_a_primary_has_another_id_with_its_first_replica_and_after_its_last(tmp_path: Path) -> None:
    """It is the same process, which says that it continues no other history; a promoted replica continues one."""
    async with RedisPair(tmp_path) as pair:
        store = Store(settings.RedisSettings(url=SecretStr(pair.first.url)))
        history = RedisStateHistory(store)
        with_replica = await history.status()
        await pair.command(pair.first, "CONFIG", "SET", "repl-backlog-ttl", 1)
        await pair.command(pair.second, "REPLICAOF", "NO", "ONE")
        statuses = [with_replica]

        async def renamed() -> bool:
            status = await history.status()
            if status.servers != statuses[-1].servers:
                statuses.append(status)
                return True
            return False

        await eventually(renamed, 15)
        await pair.replicate(pair.second, pair.first)
        await eventually(renamed, 15)
        processes = [status.processes[server] for status in statuses for server in status.servers]
        assert len(processes) == 3
        assert len(set(processes)) == 1
        assert processes[0].run_id
        assert not processes[0].continues
        await pair.fail_over()
        promoted = Store(settings.RedisSettings(url=SecretStr(pair.second.url)))
        (process,) = (await RedisStateHistory(promoted).status()).processes.values()
        assert process.continues in statuses[-1].servers
        assert process.run_id != processes[0].run_id
        await promoted.close()
        await store.close()


async def test_an_old_primary_that_names_itself_is_refused() -> None:
    """The generation that it knows is lower than one that this process has seen."""
    lineages = [Lineage(2, frozenset({"new"})), Lineage(1, frozenset({"old"}))]

    async def read() -> Lineage | None:
        return lineages.pop(0)

    check = LineageCheck(read)
    await check(None, Replication("master", "new", 1))  # type: ignore[arg-type]
    await check(None, Replication("slave", "old", 1))  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="older data"):
        await check(None, Replication("master", "old", 1))  # type: ignore[arg-type]
