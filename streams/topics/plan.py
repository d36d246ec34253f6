"""Differences between the topic table and the cluster: `apply` removes them, `status` shows them. Changes nothing."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError, for_code

from streams.topics.table import TOPICS, Topic

_CAUGHT_UP_TIMEOUT_S = 10.0
_SET_ON_TOPIC = 1  # DescribeConfigs, KIP-226: the value is the topic's own and no default


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """Settings of a topic by Kafka's names: `own` are set on it, `in_force` has the defaults too."""

    own: Mapping[str, str] = field(default_factory=dict)
    in_force: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it is and as it should be.

    `name` is the full name. `topic` is its row in the table; None for a topic of the upstream services, which is
    created where it is missing and gets partitions, and whose settings are never changed.
    """

    name: str
    topic: Topic | None
    partitions: int
    """0 where the topic is missing."""
    replication: int
    settings: TopicSettings
    least_partitions: int
    min_insync_replicas: int | None = None

    @property
    def missing(self) -> bool:
        """True when the topic is to be created."""
        return self.partitions == 0

    @property
    def config(self) -> Mapping[str, str]:
        """The settings of the table; none for a topic of the upstream services that exists."""
        config = self.topic.config() if self.topic else {}
        # Not where there are too few replicas: Kafka would accept no write.
        enough = self.topic is not None and self.replication >= (self.min_insync_replicas or 0)
        if self.min_insync_replicas is not None and (self.missing or enough):
            config["min.insync.replicas"] = str(self.min_insync_replicas)
        return config

    @property
    def too_few_partitions(self) -> bool:
        """True when partitions are to be added."""
        return 0 < self.partitions < self.least_partitions

    @property
    def growth(self) -> str:
        """Return how many partitions there are and should be."""
        return f"partitions {self.partitions} -> {self.least_partitions}"

    def to_set(self) -> dict[str, str]:
        """Return the settings that are to be set on the topic, also where the default is the same."""
        own = self.settings.own
        return {setting: value for setting, value in self.config.items() if own.get(setting) != value}

    def not_in_force(self) -> dict[str, str]:
        """Return the settings whose value in force is not that of the table."""
        in_force = self.settings.in_force
        return {setting: value for setting, value in self.config.items() if in_force.get(setting) != value}


async def plan_topics(
    admin: Any,
    prefix: str,
    *,
    partitions: int,
    events: Sequence[str],
    min_insync_replicas: int | None = None,
    describe_events: bool = False,
) -> list[TopicPlan]:
    """Return the plan of the upstream services' topics `events` and of every topic of the table, in this order.

    `partitions` is the least number of partitions; `min_insync_replicas` None leaves that to the brokers. The settings
    of `events` are left empty unless `describe_events`: Kafka may not allow us to see them. Raise KafkaError.
    """
    table: dict[str, Topic | None] = dict.fromkeys(events)
    table |= {prefix + topic.name: topic for topic in TOPICS}
    described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    known = [name for name, topic in table.items() if name in described and (topic or describe_events)]
    settings = await _settings(admin, known)
    return [
        TopicPlan(
            name=name,
            topic=topic,
            partitions=len(here := described.get(name, ())),
            replication=len(here[0]["replicas"]) if here else 0,
            settings=settings.get(name, TopicSettings()),
            least_partitions=partitions,
            min_insync_replicas=min_insync_replicas,
        )
        for name, topic in table.items()
    ]


async def _settings(admin: Any, names: Sequence[str]) -> dict[str, TopicSettings]:
    """Return the settings of topics that exist.

    Each request goes to any broker, and one that has not caught up does not know a new topic: wait up to 10 s for it.
    """
    deadline = time.monotonic() + _CAUGHT_UP_TIMEOUT_S
    while names:
        try:
            return await _described_settings(admin, names)
        except UnknownTopicOrPartitionError:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(0.05)
    return {}


async def _described_settings(admin: Any, names: Sequence[str]) -> dict[str, TopicSettings]:
    settings = {}
    for response in await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    ):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            settings[name] = TopicSettings(
                own={entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC},
                in_force={entry[0]: entry[1] for entry in entries},
            )
    return settings
