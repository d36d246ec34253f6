"""Whether the topics of a stage exist, and whether a member of its group reads each of their partitions."""

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.consumer.client import Subscription
from streams.consumer.session import ConsumerSession
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.cluster_view import ClusterView
from streams.kafka.group_offsets import offsets_of_member
from streams.kafka.partition_names import partition_names
from streams.kafka.topic_requests import TopicDescription

log = structlog.get_logger(__name__)

_INTERVAL_S = 2.0
_TIMEOUT_S = 5.0
_MOST_NAMED = 5


class TopicWatch:
    """The view of the brokers, compared every two seconds with what the client knows and the group reads.

    A change makes the client ask for metadata, whereupon the group assigns the partitions again: aiokafka alone asks
    every 30 s. A partition counts as unread when it has had no reader twice in a row.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.missing: tuple[str, ...] = ()
        """Topics that do not exist; of a pattern that no topic matches, the pattern."""
        self.unread: Mapping[TopicPartition, int] = {}
        """The partitions that no member of the group reads, with the number of records that wait in each."""
        self._subscription = subscription
        self._pattern = re.compile(subscription.pattern) if subscription.pattern else None
        self._unowned: frozenset[TopicPartition] = frozenset()
        self._next_s = 0.0

    @property
    def reason(self) -> str | None:
        """Return what is missing or unread, as a sentence; None when it is nothing."""
        if self.missing:
            topics = "topic" if len(self.missing) == 1 else "topics"
            return f"{topics} {', '.join(self.missing)}: not in the cluster"
        if self.unread:
            named = [f"{tp.topic}-{tp.partition}" for tp in sorted(self.unread)]
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            return f"no worker reads {', '.join(named[:_MOST_NAMED])}{more}"
        return None

    async def measure(self, session: ConsumerSession) -> bool:
        """Look again if two seconds have passed; return whether Kafka has answered. Take at most 5 s.

        Where it does not answer, nothing changes.
        """
        if time.monotonic() < self._next_s:
            return False
        self._next_s = time.monotonic() + _INTERVAL_S
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._measure(session)
            return True
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            raise_if_cancelled()
            log.debug("topics_not_known", error=repr(error))
        except Exception:  # a view of the topics must never end the stage
            log.exception("topics_not_measured")
        return False

    async def _measure(self, session: ConsumerSession) -> None:
        consumer, view = session.consumer, ClusterView(session.consumer._client)
        topics = await self._topics(view)
        session.placement.compare(topics)
        self._note_missing(topics)
        cluster = consumer._client.cluster
        named = {*topics, *self._subscription.topics}
        counts = {topic: topics[topic].partitions if topic in topics else 0 for topic in named}
        if any(len(cluster.partitions_for_topic(topic) or ()) != count for topic, count in counts.items()):
            consumer._client.force_metadata_update()
        partitions = {TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)}
        unread = await self._unread_of(partitions - consumer.assignment(), consumer, view)
        if unread is not None:
            self._note_unread(await self._waiting(unread, topics, consumer, view) if unread else {})

    async def _topics(self, view: ClusterView) -> dict[str, TopicDescription]:
        """Return the topics of the stage that exist."""
        if self._pattern is None:
            return dict(await view.topics(list(self._subscription.topics)))
        found = await view.topics(None)
        return {
            topic: described
            for topic, described in found.items()
            if topic in self._subscription.topics or self._pattern.match(topic)
        }

    def _note_missing(self, topics: Mapping[str, TopicDescription]) -> None:
        missing = [topic for topic in self._subscription.topics if topic not in topics]
        if self._pattern is not None and not topics:
            missing.append(self._pattern.pattern)
        if self.missing != tuple(missing):
            self.missing = tuple(missing)
            if missing:
                log.error("topics_missing", topics=missing)
            else:
                log.info("topics_found")

    async def _unread_of(
        self, others: set[TopicPartition], consumer: AIOKafkaConsumer, view: ClusterView
    ) -> frozenset[TopicPartition] | None:
        """Return which of the partitions that are not ours no member has read twice in a row; None if not known."""
        owned: frozenset[TopicPartition] | None = frozenset()
        if others:
            group = consumer._coordinator  # None until the consumer has started, which a slow broker delays
            coordinator = None if group is None else group.coordinator_id
            owned = None if coordinator is None else await view.owned(self._subscription.group, coordinator)
        if owned is None:
            return None  # the group rebalances
        before, self._unowned = self._unowned, frozenset(others - owned)
        return self._unowned & before

    def _note_unread(self, unread: Mapping[TopicPartition, int]) -> None:
        if unread and not self.unread:
            log.error("partitions_unread", partitions=partition_names(unread))
        elif self.unread and not unread:
            log.info("partitions_read_again")
        self.unread = unread

    @staticmethod
    async def _waiting(
        partitions: frozenset[TopicPartition],
        topics: Mapping[str, TopicDescription],
        consumer: AIOKafkaConsumer,
        view: ClusterView,
    ) -> dict[TopicPartition, int]:
        """Return the number of records in partitions that no member reads; 0 where it cannot be known."""
        waiting = dict.fromkeys(partitions, 0)
        with suppress(KafkaError):
            bounds = await view.bounds(partitions, topics)
            committed = await offsets_of_member(consumer._coordinator, bounds)
            for tp, (begin, end) in bounds.items():
                waiting[tp] = end - max(committed[tp].offset if tp in committed else begin, begin)
        return {tp: max(records, 0) for tp, records in waiting.items()}
