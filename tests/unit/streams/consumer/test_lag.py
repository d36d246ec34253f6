"""Lag: the time for which unread records are known to wait, and the silence of Kafka."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.consumer import lag as module
from streams.consumer.lag import Lag
from streams.consumer.partition import Partition
from tests.support.kafka_records import consumer_records

TP = TopicPartition("t", 0)


class Broker:
    """A consumer's view of one partition."""

    def __init__(self) -> None:
        self.end = self.at = 0

    async def position(self, _: TopicPartition) -> int:
        return self.at

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({TP})

    paused = assignment
    answered_ms = 0

    def last_poll_timestamp(self, _: TopicPartition) -> int | None:
        return self.answered_ms or None

    def last_stable_offset(self, _: TopicPartition) -> int:
        return self.end


async def test_a_partition_that_does_not_move_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first measurement with records after its offset, until it moves or all are read."""
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    broker, partition, lag = Broker(), Partition(), Lag()
    assignment = SimpleNamespace(partitions={TP: partition}, held=0)
    session: Any = SimpleNamespace(consumer=broker, assignment=assignment, assigned=True)

    assert (await lag.measure(session), lag.stalled_s) == (0, 0.0)
    broker.end = 5
    assert await lag.measure(session) == 5
    now = 130.0
    await lag.measure(session)
    assert lag.stalled_s == 30.0
    partition.accept(consumer_records("t", 0, [0, 1, 2]))
    for record in list(partition.take(3, 10**9)):
        partition.finish(record)
    broker.at = 3
    await lag.measure(session)
    assert (lag.known[TP], lag.stalled_s) == (2, 0.0)
    now = 131.0
    broker.at = broker.end = 3
    await lag.measure(session)
    assert lag.stalled_s == 0.0


async def test_silence_is_counted_by_the_clock_that_does_not_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client stamps answers by the wall clock: a stamp that changes ends a silence, whichever way it goes."""
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    broker, lag = Broker(), Lag()
    monkeypatch.setattr(broker, "paused", frozenset)
    assignment = SimpleNamespace(partitions={TP: Partition()}, held=0)
    session: Any = SimpleNamespace(consumer=broker, assignment=assignment, assigned=True)
    silences = []
    for later, answered_ms in (
        (5, 0),
        (5, 1_000),
        (1, 9_000_000),
        (1, 2_000),
        (10, 2_000),
        (10, 2_000),
        (1, 3_000),
    ):
        now += later
        broker.answered_ms = answered_ms
        await lag.measure(session)
        silences.append(lag.silent_s)
    assert silences == [0, 0, 0, 0, 10, 20, 0]
