"""The start of newly assigned partitions, found before anything is read from them, and found again when it is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from service.observability.metrics import OFFSET_RESETS, REMOVED_UNREAD
from streams.consumer.assignment import Assignment
from streams.consumer.health import Counters
from streams.consumer.positions import ResetReason, Start, start_of
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.cluster_view import ClusterView
from streams.kafka.group_offsets import offsets_of_member
from streams.kafka.partition_names import partition_names
from streams.kafka.topic_requests import TopicDescription

log = structlog.get_logger(__name__)

_TIMEOUT_S = 5.0
_RETRY_INTERVAL_S = 0.25


class Placement:
    """Seeks the partitions of one consumer. Those in `pending` must not be read yet.

    aiokafka would go to the beginning of a log by itself, in silence, when it no longer has the position; and would
    stay where it is in a topic that was deleted and made again, past records that were never read.
    """

    def __init__(self, consumer: AIOKafkaConsumer, assignment: Assignment, counters: Counters) -> None:
        self.pending: set[TopicPartition] = set()
        self._consumer = consumer
        self._assignment = assignment
        self._counters = counters
        self._view = ClusterView(consumer._client)
        self._lost: dict[TopicPartition, int] = {}
        self._next_attempt_s = 0.0

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Note newly assigned partitions, to be read from their committed offsets."""
        self.pending.update(partitions)
        self._lost.clear()
        self._next_attempt_s = 0.0

    def revoked(self) -> None:
        """Forget all partitions."""
        self.pending.clear()

    def lost(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note partitions whose logs do not have these offsets, from which they were to be read."""
        for tp, offset in offsets.items():
            if tp in self._assignment.partitions and tp not in self.pending:
                self.pending.add(tp)
                self._lost[tp] = offset

    def compare(self, topics: Mapping[str, TopicDescription]) -> None:
        """Note the partitions of topics that have another id than the one they were placed in."""
        for tp, partition in self._assignment.partitions.items():
            known = topics.get(tp.topic)
            if known and known.id and partition.topic_id not in ("", known.id) and tp not in self.pending:
                self.pending.add(tp)
                self._lost[tp] = partition.offsets.first_unfinished or 0

    async def place(self) -> None:
        """Place what can be placed now; the rest stays pending. Raise no error of Kafka's."""
        if time.monotonic() < self._next_attempt_s:
            return
        self._next_attempt_s = time.monotonic() + _RETRY_INTERVAL_S
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._place(sorted(self.pending))
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            raise_if_cancelled()
            log.warning("partitions_not_placed", partitions=partition_names(self.pending), error=repr(error))

    async def _place(self, partitions: list[TopicPartition]) -> None:
        topics = await self._view.topics(sorted({tp.topic for tp in partitions}))
        bounds = await self._view.bounds(partitions, topics)
        committed = await offsets_of_member(self._consumer._coordinator, bounds)
        unread: Counter[str] = Counter()
        for tp, log_bounds in bounds.items():
            topic_id, known = topics[tp.topic].id, self._assignment.partitions.get(tp)
            if known is None or tp not in self.pending:
                continue
            if tp in self._lost:
                offset, metadata = self._lost[tp], known.topic_id
            elif tp in committed:
                offset, metadata = committed[tp].offset, committed[tp].metadata or ""
            else:
                offset, metadata = None, ""
                unread[tp.topic] += log_bounds.end - log_bounds.begin
            start = start_of(offset, metadata, topic_id, log_bounds)
            if start.reason is not None:
                self._report(tp, offset, start)
            self._seek(tp, start, topic_id, commit=offset is not None and metadata != topic_id)
        # The group is new; or it was deleted, with the offsets from which it would have continued.
        for topic, records in unread.items():
            if records:
                log.warning("group_has_no_offsets", topic=topic, records=records)

    def _seek(self, tp: TopicPartition, start: Start, topic_id: str, *, commit: bool) -> None:
        try:
            self._consumer.seek(tp, start.offset)
        except IllegalStateError:
            return  # revoked meanwhile
        self.pending.discard(tp)
        self._lost.pop(tp, None)
        partition = self._assignment.partitions[tp]
        if start.reason in (ResetReason.recreated, ResetReason.truncated):
            partition = self._assignment.restart(tp)
        partition.topic_id = topic_id
        # Committed at once: until then the group's offset is one that this log may reach again.
        if (commit or start.reason is not None) and not partition.offsets:
            partition.offsets.start(start.offset)

    def _report(self, tp: TopicPartition, offset: int | None, start: Start) -> None:
        assert start.reason is not None
        self._counters.resets += 1
        self._counters.removed_unread += start.removed
        OFFSET_RESETS.add((tp.topic, start.reason))
        if start.removed:
            REMOVED_UNREAD.add((tp.topic,), start.removed)
        log.error(
            "offset_reset",
            reason=start.reason.value,
            topic=tp.topic,
            partition=tp.partition,
            from_offset=offset,
            to_offset=start.offset,
            removed=start.removed,
        )
