"""Every topic that Tocsin owns, in one table, and the command that makes Kafka look like it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidPartitionsError, TopicAlreadyExistsError, for_code

from streams.kafka.connection import KafkaConnection

_DAY_MS = 86_400_000
_MIB = 1_048_576
_VISIBLE_SECONDS = 30.0
_SET_ON_TOPIC = 1  # DescribeConfigs, KIP-226: the value is the topic's own and no default
DEAD_LETTER_BYTES = 8 * _MIB
"""Holds the largest original, also of an upstream that raised its own limit, with what we add to it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """`retention_days` None: compacted, the last row of each key stays; with `compact`, it stays for so many days.

    `limit_bytes` None: Kafka's default, 1 MiB.
    """

    name: str
    key: str
    retention_days: int | None = None
    limit_bytes: int | None = None
    compact: bool = False

    def config(self) -> dict[str, str]:
        """The topic's settings, in Kafka's names."""
        policy = "compact" if self.retention_days is None else "compact,delete" if self.compact else "delete"
        config = {"cleanup.policy": policy}
        if self.name.startswith("dispatch."):
            # The broker's clock, not the writer's: Kafka refuses what is over an hour ahead of its own (KIP-937).
            # In tables.* the time is the writer's, since it may stand for the row's version.
            config["message.timestamp.type"] = "LogAppendTime"
        if self.retention_days is not None:
            config["retention.ms"] = str(self.retention_days * _DAY_MS)
        if self.limit_bytes is not None:
            config["max.message.bytes"] = str(self.limit_bytes)
        return config


TOPICS = (
    Topic("dispatch.email.high", "recipient id", 7),
    Topic("dispatch.email.normal", "recipient id", 7),
    Topic("dispatch.email.bulk", "recipient id", 7),
    Topic("dispatch.inbox", "recipient id", 90),
    Topic("dispatch.outcomes", "recipient id", 90),
    Topic("dispatch.dead-letter", "key of the original", 90, DEAD_LETTER_BYTES),
    Topic("dispatch.withdrawals", "event or supersede key", 90),
    Topic("dispatch.soft-bounces", "hash of the address", 56, compact=True),
    Topic("dispatch.audit", "operation id", 400),
    Topic("tables.recipients", "recipient id"),
    Topic("tables.groups", "external id and project id"),
    Topic("tables.contacts", "account and contact id"),
    Topic("tables.preferences", "recipient, type and channel"),
    Topic("tables.suppressions", "hash of the address"),
    Topic("tables.unsubscribes", "hash of recipient and type"),
    Topic("tables.accounts", "account id"),
    Topic("tables.api-keys", "key id"),
)
"""What the prefix is put before."""


def limits(prefix: str) -> Mapping[str, int]:
    """`max.message.bytes` by full topic name, where it is not Kafka's default; for the producer."""
    return {prefix + topic.name: topic.limit_bytes for topic in TOPICS if topic.limit_bytes is not None}


class TopicChange(NamedTuple):
    """What `apply` did: `created`, `unchanged`, or what was changed."""

    topic: str
    done: str


async def apply(
    connection: KafkaConnection,
    prefix: str = "",
    *,
    partitions: int = 6,
    replication: int = 1,
    events: Sequence[str] = ("events",),
) -> list[TopicChange]:
    """Create what is missing, add partitions, set what differs; never delete, never shrink. Idempotent.

    `events` are the upstreams' topics: created for convenience where they are missing, else left alone. Settings of a
    topic that the table does not name stay as they are. Raises KafkaError.
    """
    wanted = {prefix + topic.name: topic.config() for topic in TOPICS}
    admin = AIOKafkaAdminClient(**connection.arguments())
    await admin.start()
    try:
        there = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
        missing = [name for name in (*events, *wanted) if name not in there]
        await _create(admin, missing, wanted, partitions, replication)
        changes = [TopicChange(name, "created") for name in missing]
        changes += [TopicChange(name, "unchanged") for name in events if name in there]
        known = [name for name in wanted if name in there]
        settings = await _settings(admin, known)
        for name in known:
            done = await _grow(admin, name, there[name], partitions)
            done += await _alter(admin, name, settings[name], wanted[name])
            changes.append(TopicChange(name, ", ".join(done) or "unchanged"))
        if any(change.done != "unchanged" for change in changes):
            await _until_visible(admin, missing, wanted, partitions)
        return changes
    finally:
        await admin.close()


async def _until_visible(
    admin: Any, made: Sequence[str], wanted: Mapping[str, dict[str, str]], partitions: int
) -> None:
    """The controller answers before the brokers have caught up; whoever asked wants to use what was made."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_VISIBLE_SECONDS):
            while True:
                if await _led(admin, {*made, *wanted}, partitions):
                    settings = await _settings(admin, list(wanted))
                    if all(config.items() <= settings[name].items() for name, config in wanted.items()):
                        return
                await asyncio.sleep(0.05)


async def _led(admin: Any, names: set[str], partitions: int) -> bool:
    """Whether every partition of these topics has a leader: a new topic is there before it can be used."""
    there = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    return all(
        len(there.get(name, ())) >= partitions
        and all(one["leader"] >= 0 and not one["error_code"] for one in there[name])
        for name in names
    )


async def _create(
    admin: Any, names: Sequence[str], wanted: Mapping[str, dict[str, str]], partitions: int, replication: int
) -> None:
    if not names:
        return
    topics = [NewTopic(name, partitions, replication, topic_configs=wanted.get(name)) for name in names]
    response = await admin.create_topics(topics)
    for name, code, message in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another worker may have been faster
            raise for_code(code)(f"{name}: {message}")


async def _settings(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """What is set on each topic itself."""
    if not names:
        return {}
    found = {}
    for response in await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, n) for n in names]
    ):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC}
    return found


async def _grow(admin: Any, name: str, there: int, partitions: int) -> list[str]:
    if there >= partitions:
        return []
    try:
        await admin.create_partitions({name: NewPartitions(partitions)})
    except InvalidPartitionsError:  # it has grown meanwhile: what was described was old
        return []
    return [f"partitions {there} -> {partitions}"]


async def _alter(admin: Any, name: str, there: dict[str, str], wanted: dict[str, str]) -> list[str]:
    differing = {setting: value for setting, value in wanted.items() if there.get(setting) != value}
    if not differing:
        return []
    # AlterConfigs sets a topic's settings as a whole, so those that are not ours are sent along.
    resource = ConfigResource(ConfigResourceType.TOPIC, name, {**there, **wanted})
    for response in await admin.alter_configs([resource]):
        for code, message, *_ in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
    return [f"{setting} {there.get(setting, 'unset')} -> {value}" for setting, value in differing.items()]
