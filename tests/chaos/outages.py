"""Servers that die, stop, refuse, are slow, are wiped, or run out of disk."""

import asyncio
from collections.abc import Sequence

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.dev.ports import free_port
from tests.chaos.environment import STAGES, World
from tests.chaos.scenario import Act
from tests.support.readiness import not_ready_reasons, wait_until_ready
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import eventually

_DOWN_SECONDS = 30.0
_PADDING = 40_000


def redis_away(*, clean: bool, seconds: float = _DOWN_SECONDS) -> Act:
    """Redis is stopped or killed, is away for a while, and comes back with its append-only file."""

    async def act(world: World) -> None:
        valkey = world.servers.valkey
        world.line.start_worker()
        async with world.flow():
            await world.mailed(50)
            await asyncio.to_thread(valkey.stop if clean else valkey.kill)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(valkey.start)
            world.healed()
            await world.mailed(50)

    return act


def broker_away(*, clean: bool, seconds: float = _DOWN_SECONDS) -> Act:
    """The broker is stopped or killed in mid-load, is away for a while, and comes back."""

    async def act(world: World) -> None:
        kafka = world.servers.kafka
        world.line.start_worker()
        async with world.flow():
            await world.mailed(50)
            await asyncio.to_thread(kafka.stop if clean else kafka.kill)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(kafka.start)
            world.healed()
            await world.mailed(50)

    return act


async def redis_loads(world: World) -> None:
    """Redis answers -LOADING for seconds, as it does when its data are large."""
    valkey = world.servers.valkey
    world.line.start_worker()
    async with world.flow(40):
        await world.mailed(100)
        await asyncio.to_thread(_pad, valkey.url)
        await asyncio.to_thread(valkey.kill)
        starting = asyncio.create_task(asyncio.to_thread(valkey.start))
        loading = 0
        while not starting.done():
            loading += await asyncio.to_thread(_answers, valkey.url) == "LOADING"
            await asyncio.sleep(0.1)
        await starting
        assert loading >= 5, "Redis was loaded before anybody saw it"
        world.note = f"{loading} times -LOADING"
        world.healed()
        await world.mailed(50)


async def redis_refuses_writes(world: World) -> None:
    """Out of memory with noeviction, then read-only: back-pressure, and on by itself."""
    world.line.start_worker()
    async with world.flow(40):
        await world.mailed(20)
        for down, up in (
            (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
            (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        ):
            await world.line.parts.store.pipeline([down])
            await asyncio.sleep(2.0)
            await world.line.parts.store.pipeline([up])
            world.healed()
            await world.mailed(20)


async def redis_slow(world: World) -> None:
    """Every answer of Redis comes 200 ms late."""
    port = int(world.line.settings.redis.url.get_secret_value().rpartition(":")[2].partition("/")[0])
    async with TcpProxy(port) as proxy:
        world.line.start_worker(TOCSIN_REDIS__URL=f"redis://127.0.0.1:{proxy.port}/0")
        async with world.flow():
            await world.mailed(50)
            proxy.delay_s = 0.1  # each way
            await asyncio.sleep(15.0)
            proxy.delay_s = 0.0
            world.healed()
            await world.mailed(50)
        await world.settled(world.published, 240)


async def redis_disk_full(world: World) -> None:
    """Redis cannot append to its file, so it refuses to write: back-pressure, and on by itself."""
    url = world.servers.valkey.url
    probe = free_port()
    world.line.start_worker(TOCSIN_WORKER__METRICS_PORT=str(probe))
    async with world.flow():
        await world.mailed(50)
        await asyncio.to_thread(world.servers.disk.fill)

        async def refused() -> bool:
            told = await not_ready_reasons(f"http://127.0.0.1:{probe}/readyz")
            return await asyncio.to_thread(_answers, url) == "MISCONF" and "resolve" in told

        await eventually(refused, 120, lambda: "Redis still takes writes")
        await asyncio.sleep(5.0)
        await asyncio.to_thread(world.servers.disk.free)
        world.healed()
        await world.mailed(50)


async def broker_disk_full(world: World) -> None:
    """The broker's log cannot grow, so it ends itself; with room again it is started again."""
    kafka, disk = world.servers.kafka, world.servers.disk
    world.line.start_worker()
    async with world.flow():
        await world.mailed(50)
        await asyncio.to_thread(disk.fill)

        async def dead() -> bool:
            return kafka.pid is None

        await eventually(dead, 90, lambda: "the broker lives on a full disk")
        await asyncio.sleep(5.0)
        await asyncio.to_thread(disk.free)
        await asyncio.to_thread(kafka.start)
        world.healed()
        await world.mailed(50)


async def redis_wiped(world: World) -> None:
    """FLUSHALL in mid-load: nothing is sent until `tocsin rebuild` has refilled it, and then everything is there."""
    stages, probe = f"{STAGES},tables", free_port()
    world.line.start_worker(stages, TOCSIN_WORKER__METRICS_PORT=str(probe))
    await wait_until_ready(f"http://127.0.0.1:{probe}/readyz")
    async with world.flow():
        await world.mailed(200)
        await asyncio.to_thread(_flush, world.servers.valkey.url)
        await _stopped(f"http://127.0.0.1:{probe}/readyz", ("resolve", "inbox", "email.high", "tables"))
        mails = await _still(world)
        await asyncio.sleep(5.0)
        assert world.received() == mails, "mail went out of an empty Redis"
        code, _, told = await world.line.tocsin("rebuild", "--yes", "--json")
        assert code == 0, told
        world.healed()
        await world.mailed(100)
    world.note = f"{mails} mails before, none until rebuilt"


async def _stopped(probe: str, stages: Sequence[str]) -> None:
    async def stopped() -> bool:
        told = await not_ready_reasons(probe)
        return all("tocsin rebuild" in told.get(stage, "") for stage in stages)

    await eventually(stopped, 120, lambda: "stages go on without their tables")


async def _still(world: World) -> int:
    """Wait until no mail has come for a second: what was out when Redis was wiped has been answered."""
    before, same = -1, 0
    while same < 10:
        now = world.received()
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
    return before


def _flush(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushall()


def _pad(url: str) -> None:
    """Make its file long: while it reads that, it answers once in a thousand entries."""
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
        for n in range(_PADDING):
            pipeline.set(f"padding:{n}", n)
        pipeline.execute()


def _answers(url: str) -> str:
    """What a write is answered: OK, or the first word of the refusal."""
    try:
        with redis.Redis.from_url(url, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
            client.set("chaos", 1)
    except redis.exceptions.BusyLoadingError:
        return "LOADING"
    except redis.exceptions.RedisError as error:
        return "MISCONF" if "MISCONF" in str(error) else "away"
    return "OK"
