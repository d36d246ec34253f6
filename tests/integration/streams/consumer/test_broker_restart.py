"""A broker that is killed and comes back: the stage pauses with a reason and loses nothing."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from service.dev.kafka import EmbeddedKafka
from service.dev.ports import free_port
from service.model.worker import StageState
from tests.integration.streams.rig import QUICK, Rig
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import eventually


async def test_kill_of_the_broker_before_the_commit_loses_nothing(tmp_path: Path) -> None:
    """While Kafka is unavailable nothing is finished and the reason is shown; when it is back everything comes out."""
    with EmbeddedKafka(tmp_path) as kafka:
        rig = Rig(kafka.bootstrap)
        await rig.create()
        limits = replace(
            QUICK, silent_after_s=5.0, commit_interval_s=60.0, commit_every=1_000_000, max_records=20
        )
        async with rig.producer(timeout_s=2.0) as producer:
            await rig.feed(producer, range(2000))
            async with rig.stage(rig.through, producer, limits=limits) as stage:
                await eventually(lambda: stage.health().finished > 100)
                kafka.kill()
                await eventually(lambda: stage.health().state is StageState.paused)
                assert stage.alive()
                await eventually(lambda: producer.last_error)
                kafka.start()
                await eventually(lambda: stage.health().finished >= 2000, 60)
                await eventually(lambda: stage.health().state is StageState.running)

        assert set(await rig.count(rig.sink)) == set(range(2000))
        assert await rig.committed(rig.source) == 2000


async def test_a_broker_that_comes_back_at_another_address_is_found(tmp_path: Path) -> None:
    """Only the bootstrap address leads to it: consumer and producer continue within seconds, before they give up."""
    kafka = EmbeddedKafka(tmp_path)
    await asyncio.to_thread(kafka.start)
    try:
        async with TcpProxy(kafka.port) as bootstrap:
            rig = Rig(f"127.0.0.1:{bootstrap.port}")
            await rig.create()
            async with rig.producer() as producer, rig.stage(rig.through, producer) as stage:
                await rig.feed(producer, range(100))
                await eventually(lambda: stage.health().finished == 100)
                await asyncio.to_thread(kafka.kill)
                kafka.port = free_port()
                bootstrap.lead_to(kafka.port)
                await asyncio.to_thread(kafka.start)
                started = time.monotonic()
                await rig.feed(producer, range(100, 200))
                await eventually(lambda: stage.health().finished >= 200)
                assert time.monotonic() - started < 0.5 * QUICK.silent_after_s
            assert set(await rig.count(rig.sink)) == set(range(200))
    finally:
        await asyncio.to_thread(kafka.stop)


async def test_topics_are_missing_when_the_broker_comes_later(tmp_path: Path) -> None:
    """What is awaited is named as soon as the broker answers: topics, and no longer the broker."""
    kafka = EmbeddedKafka(tmp_path)
    rig = Rig(kafka.bootstrap)
    async with rig.producer(timeout_s=1.0) as producer, rig.stage(rig.through, producer) as stage:
        await eventually(lambda: "does not answer" in (stage.reason or ""))
        try:
            await asyncio.to_thread(kafka.start)
            await eventually(lambda: "not in the cluster" in (stage.reason or ""))
            assert stage.health().state is StageState.incomplete
            await rig.create()
            await eventually(lambda: stage.health().state is StageState.running)
        finally:
            await asyncio.to_thread(kafka.stop)
