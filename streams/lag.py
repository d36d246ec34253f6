"""How far a stage is behind, and for how long its consumer has not heard from Kafka."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.partition import Partition
from streams.session import Session

_LOOK_SECONDS = 0.5


class Lag:
    """What was seen at the last look."""

    def __init__(self) -> None:
        self.known: dict[TopicPartition, int] = {}
        """Records not finished, by partition; a partition whose position is not known yet is absent."""
        self.silent_s = 0.0
        """Seconds since Kafka answered a fetch; 0 while there is nothing to fetch from."""

    async def look(self, session: Session) -> int:
        """Look anew; how many records of this session are not finished."""
        consumer, partitions = session.consumer, dict(session.assignment.partitions)
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                for tp, partition in partitions.items():
                    partition.fetched = await consumer.position(tp)
        except (TimeoutError, KafkaError):
            pass  # a rebalance, or Kafka is slow: what is known stays
        assigned = consumer.assignment()
        self.known = {
            tp: behind
            for tp, partition in partitions.items()
            if tp in assigned and (behind := _behind(consumer, tp, partition)) is not None
        }
        self.silent_s = _silence(consumer) if session.assigned else 0.0
        return sum(self.known.values()) + session.assignment.held


def _behind(consumer: AIOKafkaConsumer, tp: TopicPartition, partition: Partition) -> int | None:
    end = consumer.last_stable_offset(tp)
    here = partition.mark.next if len(partition.mark) else partition.fetched
    return None if end is None or end < 0 or here is None else max(end - here, 0)


def _silence(consumer: AIOKafkaConsumer) -> float:
    """Fetches are answered twice a second, with or without records."""
    reading = consumer.assignment().difference(consumer.paused())
    heard = [stamp for tp in reading if (stamp := consumer.last_poll_timestamp(tp))]
    return max(time.time() - max(heard) / 1000, 0.0) if heard else 0.0
