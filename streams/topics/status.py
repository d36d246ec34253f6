"""Topics beside the table, for `tocsin topics list` and `tocsin doctor`. Changes nothing."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import admin, kafka_errors
from streams.topics.plan import TopicPlan, plan_topics

_DAY_MS = 86_400_000


class TopicStatus(NamedTuple):
    """A topic. `partitions` is 0 where it is missing; `differs` says what `apply` would change."""

    topic: str
    key: str
    partitions: int
    replication: int
    cleanup: str
    retention_days: float | None
    differs: str = ""
    min_insync_replicas: int = 1


async def topic_status(
    connection: KafkaConnection,
    prefix: str = "",
    *,
    partitions: int = 6,
    min_insync_replicas: int | None = None,
    events: Sequence[str] = ("events",),
) -> list[TopicStatus]:
    """Return the status of the upstream services' topics and of every topic of the table. Raise Unavailable.

    `partitions` is the least number of partitions.
    """
    async with kafka_errors(connection), admin(connection) as client:
        plans = await plan_topics(
            client,
            prefix,
            partitions=partitions,
            events=events,
            min_insync_replicas=min_insync_replicas,
            describe_events=True,
        )
    return [_status(plan) for plan in plans]


def _status(plan: TopicPlan) -> TopicStatus:
    key = plan.topic.key if plan.topic else "upstream's choice"
    if plan.missing:
        return TopicStatus(plan.name, key, 0, 0, "", None, "missing")
    in_force = plan.settings.in_force
    differs = [
        f"{setting} {in_force.get(setting)} -> {value}" for setting, value in plan.not_in_force().items()
    ]
    if plan.too_few_partitions:
        differs.append(plan.growth)
    retention_ms = int(in_force.get("retention.ms", -1))
    cleanup = in_force.get("cleanup.policy", "")
    return TopicStatus(
        plan.name,
        key,
        plan.partitions,
        plan.replication,
        cleanup,
        retention_ms / _DAY_MS if retention_ms > 0 and "delete" in cleanup else None,
        ", ".join(differs),
        int(in_force.get("min.insync.replicas", 1)),
    )
