"""The assigned partitions of a stage: which may be read, and which records form the next batch. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

import structlog
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from service.model.record import Record
from service.observability.metrics import RECORD_TIMESTAMPS
from service.pipeline.resolve.event_time import EARLIEST_MS
from streams.consumer.limits import StageLimits
from streams.consumer.partition import Partition, size_of

log = structlog.get_logger(__name__)

PartitionSlice = tuple[Partition, list[Record]]
"""The part of a batch that comes from one partition."""


class Assignment:
    """All partitions of one stage. Topics named earlier are served first; partitions of one topic take turns."""

    def __init__(self, topics: Sequence[str], limits: StageLimits) -> None:
        self.partitions: dict[TopicPartition, Partition] = {}
        self._limits = limits
        self._rank = {topic: rank for rank, topic in enumerate(topics)}
        self._turns = count()
        self._wrong_clocks: set[str] = set()
        self._last_turn: dict[TopicPartition, int] = {}

    @property
    def held(self) -> int:
        """Number of accepted records whose batch has not ended."""
        return sum(partition.held for partition in self.partitions.values())

    def add(self, assigned: Iterable[TopicPartition]) -> None:
        """Start new partitions; one that was here before starts again."""
        for tp in assigned:
            self.partitions[tp] = Partition()

    def restart(self, tp: TopicPartition) -> Partition:
        """Start a partition again whose log is another one now: what still runs finishes for nothing."""
        partition = Partition()
        partition.topic_id = self.partitions[tp].topic_id
        self.partitions[tp] = partition
        return partition

    def accept(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]) -> None:
        """Accept what was read. A partition that is not known yet is added: dropping its records would lose them."""
        for tp, records in fetched.items():
            if min([record.timestamp for record in records], default=EARLIEST_MS) < EARLIEST_MS:
                self._note_timestamps(tp, records)
            partition = self.partitions.get(tp)
            if partition is None:
                partition = self.partitions[tp] = Partition()
            try:
                partition.accept(records, self._limits.max_record_bytes)
            except ValueError as error:
                log.warning("partition_truncated", topic=tp.topic, partition=tp.partition, error=str(error))
                partition = self.restart(tp)
                partition.accept(records, self._limits.max_record_bytes)

    def _note_timestamps(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Count records whose time their producer did not set (KIP-32: -1), or set to zero or in seconds."""
        wrong = [record.timestamp for record in records if record.timestamp < EARLIEST_MS]
        RECORD_TIMESTAMPS.add((tp.topic,), len(wrong))
        if tp.topic not in self._wrong_clocks:
            self._wrong_clocks.add(tp.topic)
            log.warning("record_timestamps_wrong", topic=tp.topic, timestamp_ms=wrong[0])

    def drop(self, revoked: Iterable[TopicPartition]) -> dict[TopicPartition, Partition]:
        """Remove and return partitions, without what waits in them; what runs can still finish and be committed."""
        dropped = {tp: self.partitions.pop(tp) for tp in list(revoked) if tp in self.partitions}
        for tp, partition in dropped.items():
            partition.waiting.clear()
            self._last_turn.pop(tp, None)
        return dropped

    def full(self) -> list[TopicPartition]:
        """Return the partitions that must not be read now. One that holds nothing always may, so none starves."""
        limits, partitions = self._limits, self.partitions.values()
        room = (
            sum(p.held for p in partitions) < limits.max_in_flight
            and sum(p.held_bytes for p in partitions) < limits.max_bytes
        )
        return [
            tp
            for tp, p in self.partitions.items()
            if len(p.offsets) >= limits.max_uncommitted or not (room or p.held == 0)
        ]

    def take(self) -> list[PartitionSlice]:
        """Remove and return the next batch, empty when none can be started.

        It has at most `max_records`, and about `max_batch_bytes`.
        """
        slices: list[PartitionSlice] = []
        room, room_bytes = self._limits.max_records, self._limits.max_batch_bytes
        waiting = [tp for tp, partition in self.partitions.items() if partition.waiting]
        for tp in sorted(waiting, key=self._precedence):
            if taken := self.partitions[tp].take(room, room_bytes):
                slices.append((self.partitions[tp], taken))
                self._last_turn[tp] = next(self._turns)
                room -= len(taken)
                room_bytes -= size_of(taken)
            if room == 0 or room_bytes <= 0:
                break
        return slices

    def _precedence(self, tp: TopicPartition) -> tuple[int, int]:
        return self._rank.get(tp.topic, 0), self._last_turn.get(tp, -1)
