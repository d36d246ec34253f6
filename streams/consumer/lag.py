"""Lag of a stage, and the time since Kafka has answered a fetch of its consumer."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.consumer.partition import Partition
from streams.consumer.session import ConsumerSession
from streams.kafka.cancellation import raise_if_cancelled

_POSITIONS_TIMEOUT_S = 0.5


class Lag:
    """The lag as last measured."""

    def __init__(self) -> None:
        self.known: dict[TopicPartition, int] = {}
        """Unfinished records by partition; a partition whose position is not known yet is absent."""
        self.silent_s = 0.0
        """Seconds since Kafka answered a fetch; 0 while there is nothing to fetch from."""
        self._unmoved: dict[TopicPartition, tuple[int, float]] = {}
        self._last_answer = (0, 0.0)

    @property
    def stalled_s(self) -> float:
        """Longest time for which a partition with records to read has been measured at the same offset; seconds."""
        now = time.monotonic()
        return max((now - since for _, since in self._unmoved.values()), default=0.0)

    async def measure(self, session: ConsumerSession) -> int:
        """Measure the lag again; return the number of unfinished records of this session. May take 0.5 s."""
        consumer, partitions = session.consumer, dict(session.assignment.partitions)
        try:
            async with asyncio.timeout(_POSITIONS_TIMEOUT_S):
                for tp, partition in partitions.items():
                    partition.fetch_offset = await consumer.position(tp)
        except (TimeoutError, KafkaError, asyncio.CancelledError):
            raise_if_cancelled()  # else the group rebalances, or Kafka is slow: the last offsets stay
        assigned = consumer.assignment()
        self.known = {
            tp: behind
            for tp, partition in partitions.items()
            if tp in assigned and (behind := _behind(consumer, tp, partition)) is not None
        }
        self._unmoved = {tp: self._since(tp, partitions[tp]) for tp, behind in self.known.items() if behind}
        self.silent_s = self._silence_s(consumer) if session.assigned else 0.0
        return sum(self.known.values()) + session.assignment.held

    def _since(self, tp: TopicPartition, partition: Partition) -> tuple[int, float]:
        """Return the present offset of a partition, and since when it is there (monotonic seconds)."""
        offset, before = _offset(partition) or 0, self._unmoved.get(tp)
        return before if before is not None and before[0] == offset else (offset, time.monotonic())

    def _silence_s(self, consumer: AIOKafkaConsumer) -> float:
        """Return the seconds since a fetch was answered, which happens twice a second, with or without records.

        The client stamps answers by the wall clock, which may jump; so a stamp is only compared with the one before.
        """
        reading = consumer.assignment().difference(consumer.paused())
        newest = max((consumer.last_poll_timestamp(tp) or 0 for tp in reading), default=0)
        if newest != self._last_answer[0] or not newest:
            self._last_answer = (newest, time.monotonic())
        return time.monotonic() - self._last_answer[1]


def _behind(consumer: AIOKafkaConsumer, tp: TopicPartition, partition: Partition) -> int | None:
    end = consumer.last_stable_offset(tp)
    offset = _offset(partition)
    return None if end is None or end < 0 or offset is None else max(end - offset, 0)


def _offset(partition: Partition) -> int | None:
    """Return the first offset of a partition that is not finished; None when it is not known yet."""
    return partition.offsets.first_unfinished if len(partition.offsets) else partition.fetch_offset
