"""How every stage's consumer is made; commits are the stage's own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from re import escape

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from streams.consumer.limits import StageLimits
from streams.kafka import aiokafka_patches as lenient
from streams.kafka.connection import KafkaConnection

FETCH_BYTES = 8 * 1024 * 1024


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes a rebalance on; aiokafka waits for `revoked` before it lets the group go on."""

    def __init__(
        self,
        revoked: Callable[[Sequence[TopicPartition]], Awaitable[None]],
        assigned: Callable[[Sequence[TopicPartition]], None],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Before the group goes on."""
        await self._revoked(revoked)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Before anything is read from these partitions."""
        self._assigned(assigned)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a consumer group reads: topics in order of precedence, and those that match a regular expression."""

    connection: KafkaConnection
    group: str
    topics: Sequence[str]
    pattern: str | None = None


def make_consumer(source: Subscription, limits: StageLimits, listener: RebalanceListener) -> AIOKafkaConsumer:
    """A consumer that is subscribed and not started.

    It reads only what was committed by transactional upstreams. The group waits for a member's drain: rebalancing takes
    three times as long at most.
    """
    lenient.install()
    consumer = AIOKafkaConsumer(
        **source.connection.arguments(),
        group_id=source.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_bytes=FETCH_BYTES,
        session_timeout_ms=int(limits.session_timeout * 1000),
        heartbeat_interval_ms=int(limits.session_timeout * 1000 / 5),
        rebalance_timeout_ms=int((10 + 3 * limits.drain) * 1000),
        max_poll_interval_ms=300_000,
        metadata_max_age_ms=30_000 if source.pattern else 300_000,
    )
    if source.pattern:
        either = "|".join([f"(?:{source.pattern})", *map(escape, source.topics)])
        consumer.subscribe(pattern=f"^(?:{either})$", listener=listener)
    else:
        consumer.subscribe(topics=list(source.topics), listener=listener)
    return consumer
