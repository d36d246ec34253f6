"""A cluster whose servers fail, whose slots move, and whose first seed server is down (ADR 12)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.crc import key_slot

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.operate.ledger_scan import RedisLedgerScan
from service.adapters.redis.state_history import RedisStateHistory
from service.ports import InboxItem, Unavailable
from tests.fakes.clock import FakeClock
from tests.support.redis_cluster import EmbeddedCluster
from tests.support.wait import eventually

RECIPIENTS = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(tmp_path_factory.mktemp("cluster"), replicas=1) as running:
        yield running


@asynccontextmanager
async def store_of(url: str, **redis: object) -> AsyncIterator[Store]:
    store = Store(settings.RedisSettings(url=SecretStr(url), cluster=True, prefix="t:", **redis))  # type: ignore[arg-type]
    try:
        yield store
    finally:
        await store.close()


async def add(store: Store, name: str) -> bool:
    """Add an entry to all inboxes, on every server, in one pipeline; return whether all of them are new."""
    items = [InboxItem(f"{name}-{n}", f"r{n}", "t", 0, 1, {}) for n in range(RECIPIENTS)]
    return all(await RedisInbox(store, FakeClock()).add(items))


async def seconds_until_it_works(store: Store, name: str) -> float:
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def works() -> bool:
        try:
            await add(store, name)
        except Unavailable:
            return False
        return True

    await eventually(works, 20)
    return loop.time() - started


async def test_concurrent_first_requests_are_answered(cluster: EmbeddedCluster) -> None:
    """They wait for one answer about the slots, and go to the right servers."""
    async with store_of(cluster.url(cluster.servers[0])) as store:
        keys = [f"t:first:{n}" for n in range(200)]
        singles = [store.pipeline([("SET", key, key)]) for key in keys]
        await asyncio.gather(add(store, "concurrent"), *singles, add(store, "concurrent-too"))
        assert await asyncio.gather(*(store.pipeline([("GET", key)]) for key in keys)) == [
            [key.encode()] for key in keys
        ]


async def test_one_seed_server_that_answers_is_enough(cluster: EmbeddedCluster) -> None:
    """A process starts while the first of its seeds is down, and one that refuses TLS or data is no seed."""
    down = "127.0.0.1:1"
    url = cluster.url(cluster.servers[1]).replace("redis://", f"redis://{down},")
    async with store_of(url) as store:
        assert await add(store, "seeds")


async def test_no_seed_server_answers() -> None:
    """It is unavailable, in words."""
    async with store_of("redis://127.0.0.1:1,127.0.0.1:2/0") as store:
        with pytest.raises(Unavailable, match="the cluster cannot be reached"):
            await add(store, "none")
        with pytest.raises(Unavailable, match="the cluster cannot be reached"):
            await store.primaries()


async def test_a_slot_is_moved_under_load(cluster: EmbeddedCluster) -> None:
    """Requests wait a little at most, and no entry is lost, while the keys are here and there."""
    slot = key_slot(b"{r:r7}")
    async with store_of(cluster.url(cluster.servers[0])) as store:
        assert await add(store, "before")
        added = 0

        async def load() -> None:
            nonlocal added
            while True:
                await seconds_until_it_works(store, f"during-{added}")
                added += 1

        task = asyncio.create_task(load())
        for _ in range(4):
            source = cluster.primary_of(slot)
            target = next(s for s in (cluster.primary_of(n) for n in (0, 8000, 16000)) if s is not source)
            await asyncio.to_thread(cluster.move_slot, slot, target, finish=False)
            target_count = added + 1
            await asyncio.to_thread(cluster.finish_move, slot, source, target)
            await eventually(lambda count=target_count: added > count)  # type: ignore[misc]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for n in range(RECIPIENTS):
            ids = {item.id for item in await RedisInbox(store, FakeClock()).unread(f"r{n}")}
            assert {f"during-{k}-{n}" for k in range(added)} <= ids


async def test_keys_of_a_half_moved_slot_are_found_on_both_servers(cluster: EmbeddedCluster) -> None:
    """ASKING goes before its command on the same connection, whatever else is going on."""
    slot = key_slot(b"{half}")
    source = cluster.primary_of(slot)
    target = next(s for s in (cluster.primary_of(n) for n in (0, 8000, 16000)) if s is not source)
    async with store_of(cluster.url(cluster.servers[0])) as store:
        await store.pipeline([("SET", f"{{half}}{n}", n) for n in range(50)])
        await asyncio.to_thread(cluster.move_slot, slot, target, finish=False)
        moved = [f"{{half}}{n}" for n in range(0, 50, 2)]
        migrate = ("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *moved)
        await asyncio.to_thread(cluster.command, source, *migrate)
        reads = [store.pipeline([("GET", f"{{half}}{n}")]) for n in range(50)]
        together = store.pipeline([("GET", f"{{half}}{n}") for n in range(50)])

        assert await asyncio.gather(*reads) == [[b"%d" % n] for n in range(50)]
        assert await together == [b"%d" % n for n in range(50)]
        await asyncio.to_thread(cluster.finish_move, slot, source, target)
        assert await store.pipeline([("GET", "{half}1")]) == [b"1"]


async def test_a_slot_that_moved_meanwhile(cluster: EmbeddedCluster) -> None:
    """A pipeline to a server that has none of its slots any more follows MOVED, in one call."""
    slot = key_slot(b"{gone}")
    async with store_of(cluster.url(cluster.servers[0])) as store:
        await store.pipeline([("SET", "{gone}", 1)])
        source = cluster.primary_of(slot)
        target = next(s for s in (cluster.primary_of(n) for n in (0, 8000, 16000)) if s is not source)
        await asyncio.to_thread(cluster.move_slot, slot, target)
        assert await store.pipeline([("GET", "{gone}"), ("SET", "{gone}", 2), ("GET", "{gone}")]) == [
            b"1",
            True,
            b"2",
        ]


async def test_a_killed_primary_is_replaced(tmp_path: Path) -> None:
    """Pipelines find its successor within seconds; until then scans name the reason, and other slots are served."""
    extra = ("--cluster-require-full-coverage", "no")
    with EmbeddedCluster(tmp_path, replicas=1, extra=extra) as cluster:
        first = cluster.servers[0]
        async with store_of(cluster.url(first)) as store:
            assert await add(store, "before")
            victim = cluster.primary_of(0)
            victim.kill()
            elsewhere = next(f"t:{n}" for n in range(9999) if key_slot(b"t:%d" % n) > 12000)
            assert await store.pipeline([("SET", elsewhere, 1)])
            with pytest.raises(Unavailable):
                await add(store, "meanwhile")
            with pytest.raises(Unavailable, match=r"^redis: "):
                await scan(store)

            assert await seconds_until_it_works(store, "after") < 10
            assert await scan(store)

            # the seed may be down for a process that runs, and for one that starts with more seeds
            if victim is not first:
                first.kill()
                assert await seconds_until_it_works(store, "without-the-seed") < 10
        async with store_of(cluster.url()) as later:
            assert await add(later, "restarted")


async def scan(store: Store) -> int:
    return sum([len(keys) async for keys in store.scan_keys("*")])


async def test_scans_of_operators_raise_only_unavailable(tmp_path: Path) -> None:
    """`tocsin audit` while a primary is down and has no replica: one sentence."""
    with EmbeddedCluster(tmp_path) as cluster:
        async with store_of(cluster.url(cluster.servers[0])) as store:
            await store.pipeline([("SET", f"{{e:{n}}}", 1) for n in range(100)])
            cluster.servers[2].kill()
            ledger_scan = RedisLedgerScan(store, FakeClock())
            for _ in range(3):
                with pytest.raises(Unavailable, match=r"^redis: "):
                    async for _ in ledger_scan.ledger():
                        pass


async def test_a_primary_that_dies_while_servers_are_asked_for_their_history(tmp_path: Path) -> None:
    """It is named by the others for a while; the state keeper waits, as for any other command."""
    with EmbeddedCluster(tmp_path) as cluster:
        async with store_of(cluster.url(cluster.servers[0])) as store:
            history = RedisStateHistory(store)
            assert len(await history._processes()) == len(cluster.servers)
            cluster.servers[2].kill()
            with pytest.raises(Unavailable, match=r"^redis: "):
                await history._processes()
