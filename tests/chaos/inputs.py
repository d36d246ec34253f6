"""Events that are malformed, too large, repeated or out of order; and a dead-letter topic that refuses records."""

from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from service.dev.ports import free_port
from streams.kafka.connection import kafka_connection
from streams.topics.apply import apply as apply_topics
from tests.chaos.environment import ChaosEnvironment
from tests.support.readiness import not_ready_reasons
from tests.support.wait import eventually


async def bad_and_repeated_records(environment: ChaosEnvironment) -> None:
    """Publish malformed and oversized records among the events, and each event three times and out of order."""
    environment.bad_record_bytes = 300_000
    environment.pipeline.start_worker()
    await environment.publish_load(400, copies=3)


async def dead_letters_refused(environment: ChaosEnvironment) -> None:
    """Let the dead-letter topic refuse all records: the stage must wait and say so, drop nothing, and then resume."""
    environment.bad_record_bytes, environment.bad_record_share = 10, 1.0
    probe, accepted = free_port(), await _make_topic_refuse(environment)
    environment.pipeline.start_worker(TOCSIN_WORKER__METRICS_PORT=str(probe))
    await environment.publish_load(100)

    async def waiting() -> bool:
        reasons_by_stage = await not_ready_reasons(f"http://127.0.0.1:{probe}/readyz")
        return "a dead letter cannot be written" in reasons_by_stage.get("resolve", "")

    await eventually(waiting, 120, lambda: "the stage does not say that it waits")
    assert len(await environment.pipeline.dead_letters()) == accepted
    await _apply_topics(environment)
    environment.end_fault()

    async def kept() -> bool:
        return len(await environment.pipeline.dead_letters()) >= accepted + 5

    await eventually(kept, 90)


async def _make_topic_refuse(environment: ChaosEnvironment) -> int:
    """Limit the topic's records to one byte; return the number of records that it accepted until that applied."""
    kafka, accepted = environment.pipeline.settings.kafka, 0
    topic = environment.pipeline.parts.topics.dead_letter
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
                    accepted += 1
    finally:
        await writer.stop()
    return accepted


async def _apply_topics(environment: ChaosEnvironment) -> None:
    """Restore the topic's settings as an operator does, by `tocsin topics apply`."""
    kafka = environment.pipeline.settings.kafka
    await apply_topics(kafka_connection(kafka), kafka.prefix, partitions=1, events=kafka.events)
