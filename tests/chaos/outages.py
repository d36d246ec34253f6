"""Servers that die, stop, refuse, are slow, are wiped, or run out of disk."""

import asyncio
from collections.abc import Sequence

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.dev.ports import free_port
from tests.chaos.environment import STAGES, ChaosEnvironment
from tests.chaos.scenario import Act
from tests.chaos.stale_redis import assert_same_rows, ledger_rows
from tests.support.readiness import not_ready_reasons, wait_until_ready
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import eventually

_OUTAGE_S = 30.0
_PADDING_KEYS = 40_000


def redis_outage(*, clean: bool, outage_s: float = _OUTAGE_S) -> Act:
    """Return an act in which Redis is stopped or killed, and later started with its append-only file."""

    async def act(environment: ChaosEnvironment) -> None:
        valkey = environment.servers.valkey
        environment.pipeline.start_worker()
        async with environment.continuous_load():
            await environment.wait_for_mail(50)
            await asyncio.to_thread(valkey.stop if clean else valkey.kill)
            await asyncio.sleep(outage_s)
            await asyncio.to_thread(valkey.start)
            environment.end_fault()
            await environment.wait_for_mail(50)

    return act


def broker_outage(*, clean: bool, outage_s: float = _OUTAGE_S) -> Act:
    """Return an act in which the broker is stopped or killed under load, and later started."""

    async def act(environment: ChaosEnvironment) -> None:
        kafka = environment.servers.kafka
        environment.pipeline.start_worker()
        async with environment.continuous_load():
            await environment.wait_for_mail(50)
            await asyncio.to_thread(kafka.stop if clean else kafka.kill)
            await asyncio.sleep(outage_s)
            await asyncio.to_thread(kafka.start)
            environment.end_fault()
            await environment.wait_for_mail(50)

    return act


async def redis_loads(environment: ChaosEnvironment) -> None:
    """Restart Redis with so much data that it answers -LOADING for seconds."""
    valkey = environment.servers.valkey
    environment.pipeline.start_worker()
    async with environment.continuous_load(40):
        await environment.wait_for_mail(100)
        await asyncio.to_thread(_add_keys, valkey.url)
        await asyncio.to_thread(valkey.kill)
        starting = asyncio.create_task(asyncio.to_thread(valkey.start))
        loading = 0
        while not starting.done():
            loading += await asyncio.to_thread(_write_status, valkey.url) == "LOADING"
            await asyncio.sleep(0.1)
        await starting
        assert loading >= 5, "Redis was loaded before the test saw it loading"
        environment.note = f"{loading} times -LOADING"
        environment.end_fault()
        await environment.wait_for_mail(50)


async def redis_refuses_writes(environment: ChaosEnvironment) -> None:
    """Let Redis run out of memory with noeviction, then be read-only: backpressure, then resumption without help."""
    environment.pipeline.start_worker()
    async with environment.continuous_load(40):
        await environment.wait_for_mail(20)
        for down, up in (
            (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
            (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        ):
            # Over a plain client: the product's own leave a server that is a replica.
            await asyncio.to_thread(_command, environment.servers.valkey.url, *down)
            await asyncio.sleep(2.0)
            await asyncio.to_thread(_command, environment.servers.valkey.url, *up)
            environment.end_fault()
            await environment.wait_for_mail(20)


async def redis_slow(environment: ChaosEnvironment) -> None:
    """Delay every answer of Redis by 200 ms."""
    url = environment.pipeline.settings.redis.url.get_secret_value()
    async with TcpProxy(int(url.rpartition(":")[2].partition("/")[0])) as proxy:
        environment.pipeline.start_worker(TOCSIN_REDIS__URL=f"redis://127.0.0.1:{proxy.port}/0")
        async with environment.continuous_load():
            await environment.wait_for_mail(50)
            proxy.delay_s = 0.1  # each way
            await asyncio.sleep(15.0)
            proxy.delay_s = 0.0
            environment.end_fault()
            await environment.wait_for_mail(50)
        await environment.wait_until_settled(environment.published, 240)


async def redis_disk_full(environment: ChaosEnvironment) -> None:
    """Fill the disk of Redis, so that it refuses writes: backpressure, then resumption without help."""
    url = environment.servers.valkey.url
    probe = free_port()
    environment.pipeline.start_worker(TOCSIN_WORKER__METRICS_PORT=str(probe))
    async with environment.continuous_load():
        await environment.wait_for_mail(50)
        await asyncio.to_thread(environment.servers.disk.fill)

        async def refused() -> bool:
            reasons_by_stage = await not_ready_reasons(f"http://127.0.0.1:{probe}/readyz")
            status = await asyncio.to_thread(_write_status, url)
            return status == "MISCONF" and "resolve" in reasons_by_stage

        await eventually(refused, 120, lambda: "Redis still accepts writes")
        await asyncio.sleep(5.0)
        await asyncio.to_thread(environment.servers.disk.free)
        environment.end_fault()
        await environment.wait_for_mail(50)


async def broker_disk_full(environment: ChaosEnvironment) -> None:
    """Fill the broker's disk, so that it shuts itself down; free the disk, and start the broker again."""
    kafka, disk = environment.servers.kafka, environment.servers.disk
    environment.pipeline.start_worker()
    async with environment.continuous_load():
        await environment.wait_for_mail(50)
        await asyncio.to_thread(disk.fill)

        async def dead() -> bool:
            return kafka.pid is None

        await eventually(dead, 90, lambda: "the broker still runs on a full disk")
        await asyncio.sleep(5.0)
        await asyncio.to_thread(disk.free)
        await asyncio.to_thread(kafka.start)
        environment.end_fault()
        await environment.wait_for_mail(50)


async def redis_wiped(environment: ChaosEnvironment) -> None:
    """Flush Redis under load: nothing may be sent until `tocsin rebuild` has refilled it, and then all must arrive."""
    stages, probe = f"{STAGES},tables", free_port()
    environment.pipeline.start_worker(stages, TOCSIN_WORKER__METRICS_PORT=str(probe))
    await wait_until_ready(f"http://127.0.0.1:{probe}/readyz")
    async with environment.continuous_load():
        await environment.wait_for_mail(200)
        before = await ledger_rows(environment)
        await asyncio.to_thread(flush, environment.servers.valkey.url)
        paused = ("resolve", "inbox", "email.high", "tables")
        await wait_until_paused(f"http://127.0.0.1:{probe}/readyz", paused)
        count = await wait_until_quiet(environment)
        await asyncio.sleep(5.0)
        assert environment.mail_count() == count, "a message was sent from an empty Redis"
        code, _, output = await environment.pipeline.tocsin("rebuild", "--yes", "--json")
        assert code == 0, output
        assert_same_rows(before, await ledger_rows(environment))
        environment.end_fault()
        await environment.wait_for_mail(100)
    environment.note = f"{count} messages before, none until rebuilt; {len(before)} rows as before"


async def wait_until_paused(probe: str, stages: Sequence[str]) -> None:
    async def paused() -> bool:
        reasons_by_stage = await not_ready_reasons(probe)
        return all("tocsin rebuild" in reasons_by_stage.get(stage, "") for stage in stages)

    await eventually(paused, 120, lambda: "stages run without their tables")


async def wait_until_quiet(environment: ChaosEnvironment) -> int:
    """Wait until no message has come for a second: those in flight when Redis was wiped have been answered."""
    before, unchanged = -1, 0
    while unchanged < 10:
        now = environment.mail_count()
        unchanged = unchanged + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
    return before


def _command(url: str, *command: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.execute_command(*command)


def flush(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushall()


def _add_keys(url: str) -> None:
    """Lengthen the append-only file: while Redis loads it, it answers once in a thousand entries."""
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
        for n in range(_PADDING_KEYS):
            pipeline.set(f"padding:{n}", n)
        pipeline.execute()


def _write_status(url: str) -> str:
    """Return Redis' answer to a write: OK, the first word of the refusal, or `unavailable`."""
    try:
        with redis.Redis.from_url(url, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
            client.set("chaos", 1)
    except redis.exceptions.BusyLoadingError:
        return "LOADING"
    except redis.exceptions.RedisError as error:
        return "MISCONF" if "MISCONF" in str(error) else "unavailable"
    return "OK"
