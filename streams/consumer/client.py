"""The aiokafka consumer of a stage: subscribed, read_committed, without auto-commit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from re import escape

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from streams.consumer.limits import StageLimits
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection

FETCH_BYTES = 8 * 1024 * 1024


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes rebalances on to two functions; aiokafka waits for `on_revoked` before it lets the group continue."""

    def __init__(
        self,
        on_revoked: Callable[[Sequence[TopicPartition]], Awaitable[None]],
        on_assigned: Callable[[Sequence[TopicPartition]], None],
    ) -> None:
        self._on_revoked = on_revoked
        self._on_assigned = on_assigned

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Return when these partitions are drained and committed: the group continues then."""
        await self._on_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Note the partitions before anything is read from them."""
        self._on_assigned(assigned)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Topics of a consumer group in order of precedence, and the topics that match a regular expression."""

    connection: KafkaConnection
    group: str
    topics: Sequence[str]
    pattern: str | None = None


def make_consumer(
    subscription: Subscription, limits: StageLimits, listener: RebalanceListener
) -> AIOKafkaConsumer:
    """Return a consumer that is subscribed and not started.

    It reads only what transactional upstream services have committed. The group waits for a member's drain: the
    rebalance timeout is three drains and 10 s.
    """
    aiokafka_patches.install()
    consumer = AIOKafkaConsumer(
        **subscription.connection.arguments(),
        group_id=subscription.group,
        enable_auto_commit=False,
        auto_offset_reset="none",  # `Placement` decides, and says so
        isolation_level="read_committed",
        fetch_max_bytes=FETCH_BYTES,
        session_timeout_ms=int(limits.session_timeout_s * 1000),
        heartbeat_interval_ms=int(limits.session_timeout_s * 1000 / 5),
        rebalance_timeout_ms=int((10 + 3 * min(limits.drain_s, limits.rebalance_drain_s)) * 1000),
        max_poll_interval_ms=300_000,
        metadata_max_age_ms=30_000,  # `TopicWatch` asks for changes more often
    )
    if subscription.pattern:
        either = "|".join([f"(?:{subscription.pattern})", *map(escape, subscription.topics)])
        consumer.subscribe(pattern=f"^(?:{either})$", listener=listener)
    else:
        consumer.subscribe(topics=list(subscription.topics), listener=listener)
    return consumer
