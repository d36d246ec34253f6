"""Cancellations that leak out of aiokafka's calls: the stage must continue, and stay in its group."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupCoordinatorNotAvailableError

from service.model.worker import StageState
from streams.consumer.stage import BatchStage
from tests.integration.streams.rig import QUICK, Rig
from tests.support.wait import eventually


async def worked(rig: Rig, records: int) -> None:
    """Wait until so many records are committed."""
    done = 0

    async def all_committed() -> bool:
        nonlocal done
        with suppress(GroupCoordinatorNotAvailableError):  # the broker has only just started
            done = await rig.committed(rig.source)
        return done == records

    await eventually(all_committed, 90, lambda: f"{done} of {records} are committed")


@pytest.mark.parametrize("call", ["start", "getmany", "commit", "position", "stop"])
async def test_a_cancellation_that_leaks_out(kafka: str, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The stage was not cancelled, so it continues, with another consumer where this one is of no use."""
    rig = Rig(kafka)
    await rig.create()
    real, leaked = getattr(AIOKafkaConsumer, call), []

    async def leaking(self: AIOKafkaConsumer, *args: Any, **options: Any) -> Any:
        answer = await real(self, *args, **options)
        if not leaked:
            leaked.append(True)
            raise asyncio.CancelledError
        return answer

    async with rig.producer() as producer:
        await rig.feed(producer, range(100))
        async with rig.stage(rig.through, producer) as stage:
            await worked(rig, 100)
            monkeypatch.setattr(AIOKafkaConsumer, call, leaking)
            assert stage._session is not None
            if call in ("start", "stop"):
                stage._session.fail(OSError("another one, please"))
            await rig.feed(producer, range(100, 200))
            await eventually(lambda: bool(leaked), 60)
            await rig.feed(producer, range(200, 300))
            await worked(rig, 300)
            stage._session.fail(OSError("another one, please"))
            await eventually(lambda: stage.health().state is StageState.paused, 60)
            await eventually(lambda: stage.health().state is StageState.running, 60)
        assert set(await rig.count(rig.sink)) == set(range(300))


async def test_a_consumer_that_has_lost_its_group(kafka: str) -> None:
    """It still reads, but its commits are refused: after a while another consumer replaces it."""
    rig = Rig(kafka)
    await rig.create()
    async with rig.producer() as producer:
        await rig.feed(producer, range(100))
        async with rig.stage(rig.through, producer, limits=replace(QUICK, silent_after_s=3.0)) as stage:
            await worked(rig, 100)
            first = _cut_off(stage)
            await rig.feed(producer, range(100, 200))
            await worked(rig, 200)
            assert stage._session is not None
            assert stage._session.consumer is not first
        assert set(await rig.count(rig.sink)) == set(range(200))


def _cut_off(stage: BatchStage) -> AIOKafkaConsumer:
    """End its membership without its knowledge, as a cancellation inside the client does."""
    assert stage._session is not None
    consumer = stage._session.consumer
    coordinator = consumer._coordinator
    coordinator._coordination_task.cancel()
    coordinator._heartbeat_task.cancel()
    coordinator.generation = 99
    return consumer
