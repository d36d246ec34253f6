"""Events that are broken, too large, repeated or out of order; and a dead-letter topic that takes none of them."""

from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from service.dev.ports import free_port
from streams.kafka.connection import kafka_connection
from streams.topics.apply import apply as apply_topics
from tests.chaos.environment import World
from tests.support.readiness import not_ready_reasons
from tests.support.wait import eventually


async def poison_and_repeats(world: World) -> None:
    """Poison and oversize among the events, each event three times and out of order."""
    world.poison = 300_000
    world.line.start_worker()
    await world.load(400, copies=3)


async def dead_letters_refused(world: World) -> None:
    """The dead-letter topic takes nothing: the stage waits rather than drop, says so, and goes on when it can."""
    world.poison, world.poison_share = 10, 1.0
    probe, taken = free_port(), await _refuse(world)
    world.line.start_worker(TOCSIN_WORKER__METRICS_PORT=str(probe))
    await world.load(100)

    async def waiting() -> bool:
        told = await not_ready_reasons(f"http://127.0.0.1:{probe}/readyz")
        return "a dead letter cannot be written" in told.get("resolve", "")

    await eventually(waiting, 120, lambda: "the stage does not say that it waits")
    assert len(await world.line.dead_letters()) == taken
    await _mend(world)
    world.healed()

    async def kept() -> bool:
        return len(await world.line.dead_letters()) >= taken + 5

    await eventually(kept, 90)


async def _refuse(world: World) -> int:
    """Let the topic take records of one byte at most; how many it took until it did."""
    kafka, topic, taken = world.line.settings.kafka, world.line.parts.topics.dead_letter, 0
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "1"})])
    await admin.close()
    writer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    await writer.start()
    try:
        for partition in await writer.partitions_for(topic):
            with suppress(MessageSizeTooLargeError):
                while True:  # until the change has reached the broker's logs
                    await writer.send_and_wait(topic, b"probe", partition=partition)
                    taken += 1
    finally:
        await writer.stop()
    return taken


async def _mend(world: World) -> None:
    """As an operator does: `tocsin topics apply`."""
    kafka = world.line.settings.kafka
    await apply_topics(kafka_connection(kafka), kafka.prefix, partitions=1, events=kafka.events)
