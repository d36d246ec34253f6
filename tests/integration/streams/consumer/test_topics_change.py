"""Topics that change while a stage runs: partitions added, recreated, emptied by retention, or not there yet."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete

from service.model.record import Message
from service.model.worker import StageState
from streams.consumer.stage import BatchStage
from streams.producer.producer import Producer
from tests.integration.streams.rig import Rig
from tests.support.wait import eventually

SECONDS = 30.0
"""Within which a change is noticed, on a busy machine too."""


@pytest.fixture
async def rig(kafka: str) -> Rig:
    """Topics of this test's own."""
    rig = Rig(kafka)
    await rig.create()
    return rig


@asynccontextmanager
async def admin(rig: Rig) -> AsyncIterator[Any]:
    """An admin client for as long as the block lasts."""
    client = AIOKafkaAdminClient(**rig.connection.arguments())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def recreate(rig: Rig, partitions: int) -> None:
    """Delete the source topic and make it again, as fast as the broker allows."""
    async with admin(rig) as client:
        await client.delete_topics([rig.source])
        await create(client, rig.source, partitions)


async def create(client: Any, topic: str, partitions: int) -> None:
    """Make a topic; one that is being deleted is waited for."""
    deadline = time.monotonic() + 30
    while True:
        response = await client.create_topics([NewTopic(topic, partitions, 1)])
        if not response.topic_errors[0][1]:
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    while not (await client.describe_topics([topic]))[0]["partitions"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def feed(rig: Rig, ids: range) -> None:
    """Write numbered records with a producer that knows the topic as it is now."""
    deadline = time.monotonic() + 30
    while True:
        try:
            async with rig.producer(timeout_s=10) as producer:
                await rig.feed(producer, ids)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def test_added_partitions_are_read_within_seconds(rig: Rig, producer: Producer) -> None:
    """Twenty partitions instead of four: all are read, nothing is lost, and the stage says that it reads all."""
    await rig.feed(producer, range(1000))
    async with rig.stage(rig.through, producer) as stage:
        await eventually(lambda: stage.health().finished == 1000)
        async with admin(rig) as client:
            await client.create_partitions({rig.source: NewPartitions(20)})
        await feed(rig, range(1000, 3000))
        await eventually(lambda: stage.health().finished >= 3000, SECONDS)
        await eventually(lambda: len(stage.health().lag) == 20 and not any(stage.health().lag.values()))
        assert stage.health().state is StageState.running
    assert set(await rig.count(rig.sink)) == set(range(3000))


async def test_a_partition_that_nobody_reads_is_in_readiness_and_lag(
    rig: Rig, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a group does not assign a partition, no worker is ready, and its records count as lag."""
    async with rig.stage(rig.through, producer) as stage:
        await eventually(lambda: stage.health().ready)
        with monkeypatch.context() as slow:  # a group whose leader does not learn of the change
            assert stage._session is not None
            slow.setattr(stage._session.consumer._client, "force_metadata_update", _never)
            async with admin(rig) as client:
                await client.create_partitions({rig.source: NewPartitions(5)})
            unread = TopicPartition(rig.source, 4)
            await eventually(lambda: stage.health().state is StageState.incomplete, SECONDS)
            assert not stage.health().ready
            assert stage.health().reason == f"no worker reads {rig.source}-4"
            assert len(stage.health().unread) == 1
            await write(rig, unread, 7)
            await eventually(lambda: stage.health().lag.get(unread) == 7, SECONDS)
        await eventually(lambda: stage.health().ready, SECONDS)
        await eventually(lambda: stage.health().finished == 7)
        assert (stage.health().unread, stage.health().reason) == ([], None)


async def test_a_topic_that_does_not_exist_yet_is_named_and_read_when_it_does(
    rig: Rig, producer: Producer
) -> None:
    """Without its topic a stage is not ready and says so; made later, the topic is read from its beginning."""
    async with admin(rig) as client:
        await client.delete_topics([rig.source])
        async with rig.stage(rig.through, producer) as stage:
            named = f"topic {rig.source}: not in the cluster"
            await eventually(lambda: stage.health().reason == named, SECONDS)
            assert stage.health().missing == (rig.source,)
            assert stage.health().state is StageState.incomplete
            assert stage.alive()
            await create(client, rig.source, 3)
            await feed(rig, range(100))
            await eventually(lambda: stage.health().finished == 100, SECONDS)
            await eventually(lambda: stage.health().ready, SECONDS)


async def test_a_pattern_without_topics_is_named_and_read_when_one_comes(
    rig: Rig, producer: Producer
) -> None:
    """A pattern that matches nothing is as bad as a missing topic; the first match is read within seconds."""
    async with rig.stage(rig.through, producer, pattern=f"{rig.name}\\.later-.*") as stage:
        await eventually(lambda: stage.health().state is StageState.incomplete, SECONDS)
        assert stage.health().missing == (f"{rig.name}\\.later-.*",)
        async with admin(rig) as client:
            await create(client, f"{rig.name}.later-1", 2)
        await eventually(lambda: stage.health().ready, SECONDS)
        async with rig.producer() as own:
            await own.publish([Message(f"{rig.name}.later-1", b"k", b"1")])
        await eventually(lambda: stage.health().finished == 1, SECONDS)


@pytest.mark.parametrize("partitions", [2, 4, 6])
async def test_a_recreated_topic_is_read_from_its_beginning(
    rig: Rig, producer: Producer, partitions: int
) -> None:
    """With fewer, as many or more partitions, and more records than before: none is skipped."""
    await rig.feed(producer, range(1000))
    async with rig.stage(rig.through, producer) as stage:
        await eventually(lambda: stage.health().finished == 1000)
        await recreate(rig, partitions)
        await feed(rig, range(1000, 5000))
        await eventually(lambda: stage.health().finished >= 5000, 2 * SECONDS)
        await eventually(lambda: stage.health().ready, SECONDS)
        await eventually(lambda: not any(stage.health().lag.values()))
    assert set(await rig.count(rig.sink)) == set(range(5000))


async def test_a_stale_commit_in_a_recreated_topic_hides_no_record(rig: Rig, producer: Producer) -> None:
    """A worker that commits into the new topic what it had read of the old one, and dies: nothing is skipped."""
    await rig.feed(producer, range(1000))
    async with rig.stage(rig.through, producer) as stage:
        await eventually(lambda: stage.health().finished == 1000)
        await eventually(lambda: sum(stage.health().committed.values()) == 1000)
        offsets = dict(stage.health().committed)
        topic_id = next(iter(stage._session.assignment.partitions.values())).topic_id  # type: ignore[union-attr]
    await recreate(rig, 4)
    await feed(rig, range(1000, 5000))
    stale = AIOKafkaConsumer(**rig.connection.arguments(), group_id=rig.name, enable_auto_commit=False)
    await stale.start()
    stale.assign(list(offsets))
    await stale.commit({tp: (offset, topic_id) for tp, offset in offsets.items()})
    await stale.stop()

    async with rig.stage(rig.through, producer) as stage:
        await eventually(lambda: stage.health().finished >= 4000, SECONDS)
        assert stage.health().resets == 4
        assert stage.health().removed_unread == 0
    assert set(await rig.count(rig.sink)) == set(range(5000))


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
async def test_records_that_were_removed_unread_are_counted(
    rig: Rig, producer: Producer, running: bool
) -> None:
    """Retention overtakes a stage that waits, or that is down: the gap is counted, and the rest is read."""
    waiting: list[str] = []

    async def readiness() -> str | None:
        return waiting[0] if waiting else None

    async with rig.stage(rig.through, producer, readiness=readiness) as stage:
        await rig.feed(producer, range(400))
        await eventually(lambda: stage.health().finished == 400)
        await eventually(lambda: sum(stage.health().committed.values()) == 400)
        waiting.append("a dependency is down")
        await eventually(lambda: stage.health().state is StageState.paused)
        await eventually(lambda: _reads_nothing(stage))
        if running:
            removed = await _feed_and_remove(rig, producer)
            waiting.clear()
            await eventually(lambda: stage.health().removed_unread == removed, SECONDS)
            await eventually(lambda: stage.health().finished == 1400 - removed, SECONDS)
    if not running:
        removed = await _feed_and_remove(rig, producer)
        async with rig.stage(rig.through, producer) as stage:
            await eventually(lambda: stage.health().removed_unread == removed, SECONDS)
            await eventually(lambda: stage.health().finished == 1000 - removed, SECONDS)
            assert stage.health().resets == 4
    assert await rig.committed(rig.source) == 1400


async def test_an_offset_beyond_the_log_is_reset(rig: Rig, producer: Producer) -> None:
    """A committed offset that the log never reached, as after a loss of the broker's disk: all is read again."""
    await rig.feed(producer, range(100))
    ahead = AIOKafkaConsumer(**rig.connection.arguments(), group_id=rig.name, enable_auto_commit=False)
    await ahead.start()
    partitions = [TopicPartition(rig.source, n) for n in range(4)]
    ahead.assign(partitions)
    await ahead.commit(dict.fromkeys(partitions, 5000))
    await ahead.stop()
    async with rig.stage(rig.through, producer) as stage:
        await eventually(lambda: stage.health().finished == 100, SECONDS)
        assert stage.health().resets == 4
    assert await rig.committed(rig.source) == 100


@pytest.fixture
async def producer(rig: Rig) -> AsyncIterator[Producer]:
    """A producer for the test."""
    async with rig.producer() as producer:
        yield producer


async def _feed_and_remove(rig: Rig, producer: Producer) -> int:
    """Write 1000 more records, remove some of them, and return how many."""
    await rig.feed(producer, range(400, 1400))
    consumer = AIOKafkaConsumer(**rig.connection.arguments())
    await consumer.start()
    partitions = [TopicPartition(rig.source, n) for n in range(4)]
    ends = await consumer.end_offsets(partitions)
    await consumer.stop()
    async with admin(rig) as client:
        committed = await client.list_consumer_group_offsets(rig.name)
        remove = {tp: end - 20 for tp, end in ends.items()}
        await client.delete_records({tp: RecordsToDelete(before) for tp, before in remove.items()})
    return sum(remove[tp] - committed[tp].offset for tp in partitions)


def _reads_nothing(stage: BatchStage) -> bool:
    """Return whether all partitions are paused, and no request that began before can still bring records."""
    assert stage._session is not None
    consumer = stage._session.consumer
    return len(consumer.paused()) == 4 and not consumer._fetcher._in_flight


async def write(rig: Rig, tp: TopicPartition, records: int) -> None:
    """Write records to one partition."""
    writer = AIOKafkaProducer(**rig.connection.arguments())
    await writer.start()
    try:
        for n in range(records):
            await writer.send_and_wait(tp.topic, b"%d" % n, partition=tp.partition)
    finally:
        await writer.stop()


def _never() -> Any:
    done = asyncio.get_running_loop().create_future()
    done.set_result(True)
    return done
