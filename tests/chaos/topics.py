"""Topics that change under load, and record batches that expand to gigabytes among the events."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from tests.chaos.environment import ChaosEnvironment
from tests.support.readiness import start_ready_worker
from tests.support.record_batches import GZIP, ZSTD, Raw, batch_bytes, send_batch
from tests.support.wait import eventually

_MORE_PARTITIONS = 8
_NOTICED_S = 20.0
"""Within which new partitions and topics must be read, on a busy machine."""


async def partitions_added(environment: ChaosEnvironment) -> None:
    """Let every topic grow from 2 to 8 partitions while events are published; new ones must not wait for minutes."""
    pipeline, kafka = environment.pipeline, environment.pipeline.settings.kafka
    assert kafka.partitions < _MORE_PARTITIONS
    for _ in range(2):
        await start_ready_worker(pipeline)
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        kafka.partitions = _MORE_PARTITIONS
        await pipeline.apply_topics()
        # A producer of its own: one that is connected learns of new partitions only after minutes.
        await pipeline.producer.stop()
        environment.end_fault()
        await environment.publish([environment.expected_event() for _ in range(100)])
        await _wait_until_all_read(environment)


async def _wait_until_all_read(environment: ChaosEnvironment) -> None:
    """Wait until resolve has committed an offset in each partition of `events`."""
    group, unread = f"{environment.pipeline.settings.kafka.prefix}resolve", set[int]()

    async def all_read() -> bool:
        async with _admin(environment) as admin:
            offsets = await admin.list_consumer_group_offsets(group)
        read = {tp.partition for tp, committed in offsets.items() if committed.offset > 0}
        unread.update(range(_MORE_PARTITIONS))
        unread.difference_update(read)
        return not unread

    await eventually(all_read, _NOTICED_S, lambda: f"partitions without a committed offset: {unread}")


async def events_recreated(environment: ChaosEnvironment) -> None:
    """Delete `events` and make it again, with more records than before: none may be skipped."""
    await start_ready_worker(environment.pipeline)
    await environment.publish_load(200)
    await environment.wait_until_settled(
        list(environment.published), 60
    )  # deleted records are lost by intent
    events = _events(environment)
    async with _admin(environment) as admin:
        await admin.delete_topics([events])
        deadline = time.monotonic() + 30
        while (await admin.create_topics([NewTopic(events, 1, 1)])).topic_errors[0][1]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        while not await _has_leader(admin, events):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
    await environment.pipeline.producer.stop()
    await environment.publish_load(500)
    environment.end_fault()
    await environment.wait_for_recovery(_NOTICED_S)


async def compression_bombs(environment: ChaosEnvironment) -> None:
    """Publish batches that expand to 700 MB and more among the events, to a worker with 512 MiB of memory."""
    await start_ready_worker(environment.pipeline, module="tests.support.limited_memory", LIMIT_MIB="512")
    kafka, events = environment.pipeline.settings.kafka, _events(environment)
    large = Raw(b"z", (b"\0", 1 << 20))
    batches = [batch_bytes([large] * 680, GZIP), batch_bytes([Raw(b"z", (b"\0", 900 << 20))], ZSTD)]
    load = asyncio.create_task(environment.publish_load(300, rate_per_s=60))
    for batch in batches:
        await send_batch(kafka.bootstrap, events, 0, batch)
        await asyncio.sleep(1)
    await load
    environment.end_fault()

    async def refused() -> bool:
        return len(await environment.pipeline.dead_letters()) >= 681

    await eventually(refused, 90)
    assert sum(len(value) for value, _ in await environment.pipeline.dead_letters()) < 8 << 20


def _events(environment: ChaosEnvironment) -> str:
    return environment.pipeline.settings.kafka.events[0]


async def _has_leader(admin: AIOKafkaAdminClient, topic: str) -> bool:
    with suppress(KafkaError):
        (described,) = await admin.describe_topics([topic])
        return bool(described["partitions"]) and all(one["leader"] >= 0 for one in described["partitions"])
    return False


@asynccontextmanager
async def _admin(environment: ChaosEnvironment) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=environment.pipeline.settings.kafka.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()
