"""How far a stage is behind, and for how long its consumer has not heard from Kafka."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.consumer.partition import Partition
from streams.consumer.session import ConsumerSession
from streams.kafka.cancellation import raise_if_cancelled

_LOOK_SECONDS = 0.5


class Lag:
    """What was seen at the last look."""

    def __init__(self) -> None:
        self.known: dict[TopicPartition, int] = {}
        """Records not finished, by partition; a partition whose position is not known yet is absent."""
        self.silent_s = 0.0
        """Seconds since Kafka answered a fetch; 0 while there is nothing to fetch from."""
        self._waiting: dict[TopicPartition, tuple[int, float]] = {}
        self._heard = (0, 0.0)

    @property
    def standing_s(self) -> float:
        """For how many seconds a partition with records to read has been seen at the same place."""
        now = time.monotonic()
        return max((now - since for _, since in self._waiting.values()), default=0.0)

    async def look(self, session: ConsumerSession) -> int:
        """Look anew; how many records of this session are not finished."""
        consumer, partitions = session.consumer, dict(session.assignment.partitions)
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                for tp, partition in partitions.items():
                    partition.fetched = await consumer.position(tp)
        except (TimeoutError, KafkaError, asyncio.CancelledError):
            raise_if_cancelled()  # else a rebalance, or Kafka is slow: what is known stays
        assigned = consumer.assignment()
        self.known = {
            tp: behind
            for tp, partition in partitions.items()
            if tp in assigned and (behind := _behind(consumer, tp, partition)) is not None
        }
        self._waiting = {tp: self._since(tp, partitions[tp]) for tp, behind in self.known.items() if behind}
        self.silent_s = self._silence(consumer) if session.assigned else 0.0
        return sum(self.known.values()) + session.assignment.held

    def _since(self, tp: TopicPartition, partition: Partition) -> tuple[int, float]:
        """Where a partition stands, and since when (monotonic seconds)."""
        here, before = _next(partition) or 0, self._waiting.get(tp)
        return before if before is not None and before[0] == here else (here, time.monotonic())

    def _silence(self, consumer: AIOKafkaConsumer) -> float:
        """Fetches are answered twice a second, with or without records.

        The client stamps them by the wall clock, which may jump; so only that a stamp has changed is believed.
        """
        reading = consumer.assignment().difference(consumer.paused())
        newest = max((consumer.last_poll_timestamp(tp) or 0 for tp in reading), default=0)
        if newest != self._heard[0] or not newest:
            self._heard = (newest, time.monotonic())
        return time.monotonic() - self._heard[1]


def _behind(consumer: AIOKafkaConsumer, tp: TopicPartition, partition: Partition) -> int | None:
    end = consumer.last_stable_offset(tp)
    here = _next(partition)
    return None if end is None or end < 0 or here is None else max(end - here, 0)


def _next(partition: Partition) -> int | None:
    return partition.mark.next if len(partition.mark) else partition.fetched
