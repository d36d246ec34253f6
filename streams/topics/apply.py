"""The command that makes the cluster's topics like the table: creates, adds partitions, sets; never deletes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidPartitionsError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.connection import KafkaConnection
from streams.topics.plan import TopicPlan, plan_topics

_VISIBLE_TIMEOUT_S = 30.0


class TopicChange(NamedTuple):
    """What was done with a topic: `created`, `unchanged`, or what was changed."""

    topic: str
    done: str


async def apply(
    connection: KafkaConnection,
    prefix: str = "",
    *,
    partitions: int = 6,
    replication: int = 1,
    min_insync_replicas: int | None = None,
    events: Sequence[str] = ("events",),
) -> list[TopicChange]:
    """Create what is missing, add partitions, set what differs; never delete, never shrink. Idempotent.

    `events` are the topics of the upstream services: created for convenience where they are missing, and grown where
    we may; their settings are not changed. Settings that the table does not name stay as they are, and so do the
    replicas of a topic that exists.
    Return when the brokers use what was made, or after 30 s.
    Raise KafkaError.
    """
    admin = AIOKafkaAdminClient(**connection.arguments())
    await admin.start()
    try:
        plan = partial(
            plan_topics,
            admin,
            prefix,
            partitions=partitions,
            events=events,
            min_insync_replicas=min_insync_replicas,
        )
        plans = await plan()
        missing = [one for one in plans if one.missing]
        await _create(admin, missing, partitions, replication)
        changes = [TopicChange(one.name, "created") for one in missing]
        for one in plans:
            if not one.missing:
                done = [*await _add_partitions(admin, one), *await _set(admin, one)]
                changes.append(TopicChange(one.name, ", ".join(done) or "unchanged"))
        if any(change.done != "unchanged" for change in changes):
            ours = {one.name for one in plans if one.topic or one.missing}
            await _until_visible(admin, ours, partitions, plan)
        return changes
    finally:
        await admin.close()


async def _create(admin: Any, missing: Sequence[TopicPlan], partitions: int, replication: int) -> None:
    if not missing:
        return
    topics = [
        NewTopic(plan.name, partitions, replication, topic_configs=dict(plan.config) or None)
        for plan in missing
    ]
    response = await admin.create_topics(topics)
    for name, code, message in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another worker may have been faster
            raise for_code(code)(f"{name}: {message}")


async def _add_partitions(admin: Any, plan: TopicPlan) -> Iterable[str]:
    if not plan.too_few_partitions:
        return ()
    try:
        await admin.create_partitions({plan.name: NewPartitions(plan.least_partitions)})
    except InvalidPartitionsError:  # they were added since the cluster was described
        return ()
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        if plan.topic is not None:
            raise
        return (f"{plan.growth}: not allowed to us",)
    # Keys move to other partitions, where nothing waits for what is unread in the old ones.
    return (f"{plan.growth}; the order of a key's records is not kept across the change",)


async def _set(admin: Any, plan: TopicPlan) -> Iterable[str]:
    to_set, own = plan.to_set(), plan.settings.own
    if not to_set:
        return ()
    # AlterConfigs replaces a topic's own settings as a whole: without those that are not ours, they would be unset.
    resource = ConfigResource(ConfigResourceType.TOPIC, plan.name, {**own, **plan.config})
    for response in await admin.alter_configs([resource]):
        for code, message, *_ in response.resources:
            if code:
                raise for_code(code)(f"{plan.name}: {message}")
    return [f"{setting} {own.get(setting, 'unset')} -> {value}" for setting, value in to_set.items()]


async def _until_visible(
    admin: Any, names: set[str], partitions: int, plan: Callable[[], Awaitable[Sequence[TopicPlan]]]
) -> None:
    """Return when these topics can be used, or after 30 s: the controller answers before the brokers have caught up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_VISIBLE_TIMEOUT_S):
            while True:
                # Leaders first: a broker that does not know a topic yet refuses to describe its settings.
                visible = await _have_leaders(admin, names, partitions)
                if visible and not any(one.to_set() for one in await plan()):
                    return
                await asyncio.sleep(0.05)


async def _have_leaders(admin: Any, names: set[str], partitions: int) -> bool:
    """Return whether every broker knows a leader of every partition of these topics.

    A topic is listed before it can be used, and some brokers know it before the others do. A broker that does not
    answer does not know it either.
    """
    brokers = [broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]]
    for broker in brokers:
        try:
            metadata = await admin._send_request(MetadataRequest(None), broker)
        except KafkaError:
            return False
        known = {topic["topic"]: topic["partitions"] for topic in metadata.to_object()["topics"]}
        if not all(_can_be_used(known.get(name, ()), partitions) for name in names):
            return False
    return True


def _can_be_used(described: Sequence[Any], partitions: int) -> bool:
    return len(described) >= partitions and not any(
        one["leader"] < 0 or one["error_code"] for one in described
    )
