"""`apply` makes Kafka's topics like the table, and changes nothing when they are."""

import time
import uuid

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.kafka.connection import KafkaConnection
from streams.topics.apply import apply
from streams.topics.table import TOPICS, limits


async def settings(connection: KafkaConnection, topic: str) -> tuple[int, dict[str, str]]:
    """Return the number of partitions of a topic, and the settings of its own."""
    admin = AIOKafkaAdminClient(**connection.arguments())
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    return len(described["partitions"]), {
        entry[0]: entry[1] for entry in response.resources[0][4] if entry[3] == 1
    }


async def test_creates_missing_topics_and_then_changes_nothing(kafka: str) -> None:
    """The first run creates all topics as the table says; the second has nothing to do."""
    connection, prefix = KafkaConnection(kafka), f"{uuid.uuid4().hex[:8]}."
    events = f"{prefix}events"

    first = await apply(connection, prefix, partitions=2, events=[events])
    second = await apply(connection, prefix, partitions=2, events=[events])

    assert {change.topic for change in first} == {events, *(prefix + topic.name for topic in TOPICS)}
    assert {change.done for change in first} == {"created"}
    assert {change.topic for change in second} == {change.topic for change in first}
    assert {change.done for change in second} == {"unchanged"}
    partitions, config = await settings(connection, f"{prefix}dispatch.dead-letter")
    assert partitions == 2
    assert config["max.message.bytes"] == str(limits(prefix)[f"{prefix}dispatch.dead-letter"])
    assert (await settings(connection, f"{prefix}tables.groups"))[1] == {
        "cleanup.policy": "compact",
        "segment.ms": "86400000",
        "min.compaction.lag.ms": "0",
        "max.compaction.lag.ms": "86400000",
        "delete.retention.ms": "604800000",
    }


async def test_fixes_what_differs_and_keeps_settings_that_are_not_ours(kafka: str) -> None:
    """Partitions are added and our settings set; an operator's other settings and those of `events` stay."""
    connection, prefix = KafkaConnection(kafka), f"{uuid.uuid4().hex[:8]}."
    groups, events = f"{prefix}tables.groups", f"{prefix}events"
    theirs = {"cleanup.policy": "delete", "segment.bytes": "60000000"}
    admin = AIOKafkaAdminClient(**connection.arguments())
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=theirs) for name in (groups, events)])
    deadline = time.monotonic() + 30
    while not {groups, events} <= set(await admin.list_topics()):
        assert time.monotonic() < deadline
    await admin.close()

    done = dict(await apply(connection, prefix, partitions=3, events=[events]))

    grown = "partitions 1 -> 3; the order of a key's records is not kept across the change"
    assert done[groups].startswith(f"{grown}, cleanup.policy delete -> compact, segment.ms unset -> ")
    assert done[events] == grown
    partitions, own = await settings(connection, groups)
    assert (partitions, own["cleanup.policy"], own["segment.bytes"]) == (3, "compact", "60000000")
    assert own["max.compaction.lag.ms"] == "86400000"
    assert await settings(connection, events) == (3, theirs)
    assert dict(await apply(connection, prefix, partitions=3, events=[events]))[groups] == "unchanged"
