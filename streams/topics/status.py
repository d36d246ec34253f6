"""How the topics stand beside the table: what `tocsin topics list` and `tocsin doctor` show. Changes nothing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import admin, kafka_errors
from streams.topics.table import TOPICS, Topic


class TopicStatus(NamedTuple):
    """A topic. `partitions` is 0 where it is missing; `differs` says what `apply` would change."""

    topic: str
    key: str
    partitions: int
    replication: int
    cleanup: str
    retention_days: float | None
    differs: str = ""


async def topic_status(
    connection: KafkaConnection, prefix: str = "", *, wanted: int = 6, events: Sequence[str] = ("events",)
) -> list[TopicStatus]:
    """The upstreams' topics and every topic of the table; `wanted` is the least number of partitions.

    Raises Unavailable.
    """
    async with kafka_errors(connection), admin(connection) as client:
        there = {found["topic"]: found["partitions"] for found in await client.describe_topics()}
        table: dict[str, Topic | None] = dict.fromkeys(events)
        table |= {prefix + topic.name: topic for topic in TOPICS}
        settings = await _settings(client, [name for name in table if name in there])
    return [
        _stand(name, topic, there.get(name, ()), settings.get(name, {}), wanted)
        for name, topic in table.items()
    ]


def _stand(
    name: str, topic: Topic | None, partitions: Sequence[Any], settings: dict[str, str], wanted: int
) -> TopicStatus:
    key = topic.key if topic else "upstream's choice"
    if not partitions:
        return TopicStatus(name, key, 0, 0, "", None, "missing")
    differs = []
    if topic is not None:
        differs = [
            f"{setting} {settings.get(setting)} -> {value}"
            for setting, value in topic.config().items()
            if settings.get(setting) != value
        ]
        if len(partitions) < wanted:
            differs.append(f"partitions {len(partitions)} -> {wanted}")
    retention = int(settings.get("retention.ms", -1))
    cleanup = settings.get("cleanup.policy", "")
    return TopicStatus(
        name,
        key,
        len(partitions),
        len(partitions[0]["replicas"]),
        cleanup,
        retention / 86_400_000 if retention > 0 and "delete" in cleanup else None,
        ", ".join(differs),
    )


async def _settings(client: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """What holds for each topic, by its own settings or by default."""
    if not names:
        return {}
    found = {}
    for response in await client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, n) for n in names]
    ):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
