"""A model of Kafka: ordered partitions with gaps in their offsets, owners, committed offsets."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import ConsumerRecord

from service.model.record import Message
from streams.producer.partition_queue import partition_of
from tests.fakes.clock import FakeClock

PARTITIONS = 2
Fetched: TypeAlias = ConsumerRecord[bytes, bytes]


@dataclass
class FakeKafka:
    """Logs by partition. `owners` and `committed` are by (group, partition).

    Every seventh offset is missing, as that of a transaction marker would be.
    """

    clock: FakeClock
    logs: dict[TopicPartition, list[Fetched]] = field(default_factory=lambda: defaultdict(list))
    owners: dict[tuple[str, TopicPartition], str] = field(default_factory=dict)
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)

    def append(self, messages: Iterable[Message]) -> None:
        """Append messages, as an acknowledged write of a producer does."""
        for topic, key, value, headers, _ in messages:
            tp = TopicPartition(topic, partition_of(key, PARTITIONS))
            log = self.logs[tp]
            offset = log[-1].offset + 1 if log else 0
            offset += offset % 7 == 3
            log.append(
                ConsumerRecord(
                    topic, tp.partition, offset, self.clock.now, 0, key, value, None, 0, 0, headers
                )
            )

    def fetch(self, tp: TopicPartition, position: int, limit: int) -> list[Fetched]:
        """Return up to `limit` records from an offset on."""
        log = self.logs[tp]
        at = len(log)
        while at and log[at - 1].offset >= position:
            at -= 1
        return log[at : at + limit]

    def commit(self, group: str, owner: str, offsets: Mapping[TopicPartition, int | tuple[int, str]]) -> None:
        """Commit offsets, with or without metadata.

        Raise CommitFailedError, with nothing committed, where the owner has lost a partition.
        """
        if any(self.owners.get((group, tp)) != owner for tp in offsets):
            raise CommitFailedError("not the owner")
        for tp, offset in offsets.items():
            self.committed[group, tp] = offset if isinstance(offset, int) else offset[0]

    def messages(self, topic: str) -> list[Fetched]:
        """Return all records of a topic."""
        return [r for tp, log in self.logs.items() if tp.topic == topic for r in log]
