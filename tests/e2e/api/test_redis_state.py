"""The API process while Redis changes: readiness names the reason, and requests move to the new primary."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from service.settings import RedisSettings
from tests.support.api_process import api_process
from tests.support.real_pipeline import RealPipeline
from tests.support.redis_pair import RedisPair
from tests.support.wait import eventually


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[RedisPair]:
    async with RedisPair(tmp_path) as running:
        yield running


@asynccontextmanager
async def api_on(pair: RedisPair) -> AsyncIterator[httpx.AsyncClient]:
    """Run the API on the pair's address."""
    async with (
        RealPipeline(redis=RedisSettings(url=SecretStr(pair.url))) as pipeline,
        # A limit that is counted in Redis, and that no machine is fast enough to reach.
        api_process(pipeline, TOCSIN_LIMITS__INBOX="10000000/minute") as client,
    ):
        yield client


async def reason(client: httpx.AsyncClient) -> str:
    answer = await client.get("/readyz")
    return str(answer.json()["reasons"].get("redis", "")) if answer.status_code == 503 else ""


async def test_readiness_follows_redis(pair: RedisPair) -> None:
    """A replica, a full disk and a server that is gone are reasons; liveness is not touched."""
    async with api_on(pair) as client:
        await pair.command(pair.first, "REPLICAOF", "127.0.0.1", 1)
        await eventually(lambda: reason_is(client, "redis: it is read-only"))
        await pair.command(pair.first, "REPLICAOF", "NO", "ONE")
        await eventually(lambda: reason_is(client, ""))
        await pair.command(pair.first, "CONFIG", "SET", "maxmemory", "1")
        await eventually(lambda: reason_is(client, "redis: it is out of memory"))
        await pair.command(pair.first, "CONFIG", "SET", "maxmemory", "0")
        await pair.command(pair.first, "CONFIG", "SET", "min-replicas-to-write", "3")
        await eventually(lambda: reason_is(client, "redis: it has too few replicas"))
        await pair.command(pair.first, "CONFIG", "SET", "min-replicas-to-write", "0")
        pair.proxy.cut()
        await eventually(lambda: reason_is(client, "redis: cannot connect"))
        assert (await client.get("/livez")).status_code == 200
        pair.proxy.heal()
        await eventually(lambda: reason_is(client, ""))


async def reason_is(client: httpx.AsyncClient, text: str) -> bool:
    return await reason(client) == text


async def test_requests_move_to_the_new_primary(pair: RedisPair) -> None:
    """Reads, writes and rate limits of one process over connections that survive: no request fails for long."""
    async with api_on(pair) as client:
        answers = await asyncio.gather(*(client.get("/counts") for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        await pair.fail_over()
        loop = asyncio.get_running_loop()
        started = loop.time()

        failed_until_s = 0.0
        while loop.time() - started < 3:
            answers = await asyncio.gather(*(client.get("/counts") for _ in range(10)))
            codes = {answer.status_code for answer in answers}
            assert codes <= {200, 503}
            if codes != {200}:
                failed_until_s = loop.time() - started
        assert failed_until_s < 2
        assert await reason(client) == ""
        commands = await pair.command(pair.second, "INFO", "commandstats")
        assert commands["cmdstat_evalsha"]["calls"] > 10
