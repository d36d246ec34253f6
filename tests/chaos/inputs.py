"""Events that are broken, too large, repeated or out of order; and a dead-letter topic that takes none of them."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.chaos.world import World
from tests.line import eventually


async def poison_and_repeats(world: World) -> None:
    """Poison and oversize among the events, each event three times and out of order."""
    world.poison = 300_000
    world.line.start_worker()
    await world.load(400, copies=3)


async def dead_letters_refused(world: World) -> None:
    """The dead-letter topic takes nothing: the stage waits rather than drop, and goes on when it can."""
    world.poison, world.poison_share = 10, 1.0
    await _need_replicas(world, 2)  # of one, so that acks=all cannot be had
    world.line.start_worker()
    await world.load(100)
    await asyncio.sleep(3.0)
    assert await world.line.dead_letters() == []
    await _need_replicas(world, 1)
    world.healed()

    async def kept() -> bool:
        return len(await world.line.dead_letters()) >= 5

    await eventually(kept, 90)


async def _need_replicas(world: World, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.line.settings.kafka.bootstrap)
    await admin.start()
    try:
        topic = world.line.parts.topics.dead_letter
        configs = {"min.insync.replicas": str(count)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
    finally:
        await admin.close()
