"""Positions in Kafka up to which the state in Redis has come: what a checkpoint records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from service.model.catalogue import Lane
from service.model.topics import TABLES, TopicNames
from service.ports.state_history import Positions
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import admin, count_partitions, kafka_errors, partition_counts
from streams.kafka.group_offsets import offsets_of_group
from streams.kafka.reader import ends_of, reader

_TOPICS_INTERVAL_S = 30.0


async def finished_offsets(connection: KafkaConnection, topics: TopicNames) -> Positions:
    """Return up to where the stages have committed dispatch records. Raise Unavailable."""
    async with kafka_errors(connection), admin(connection) as client:
        committed = await _committed(client, _dispatch_groups(topics).values())
    return {(tp.topic, tp.partition): offset for tp, offset in committed.items()}


def _dispatch_groups(topics: TopicNames) -> Mapping[str, str]:
    """Return for each dispatch topic the group of the stage that reads it."""
    lanes = {topics.email(lane): f"{topics.prefix}email.{lane}" for lane in Lane}
    return {topics.inbox: f"{topics.prefix}inbox", **lanes}


async def _committed(client: Any, groups: Iterable[str]) -> dict[TopicPartition, int]:
    """Return the offsets that these groups have committed. Raise KafkaError; the caller limits the time."""
    committed: dict[TopicPartition, int] = {}
    for group in dict.fromkeys(groups):
        offsets = await offsets_of_group(client, group)
        committed |= {tp: at.offset for tp, at in offsets.items()}
    return committed


async def nothing_dispatched(connection: KafkaConnection, topics: TopicNames) -> bool:
    """Return whether no delivery was ever dispatched. Raise Unavailable."""
    return await never_written(connection, [*topics.dispatches(), topics.outcomes])


async def never_written(connection: KafkaConnection, topics: Iterable[str]) -> bool:
    """Return whether no record was ever written to these topics, as far as they exist. Raise Unavailable."""
    counts = await partition_counts(connection)
    partitions = [TopicPartition(topic, n) for topic in topics for n in range(counts.get(topic, 0))]
    if not partitions:
        return True
    consumer = reader(connection)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            return not any((await ends_of(consumer, partitions)).values())
    finally:
        await consumer.stop()


class KafkaPositions:
    """Reader of positions, over connections that it keeps. Close it with `async with`.

    - Of topics whose records are written after Redis (outcomes, withdrawals, scores): where they end now.
    - Of dispatch topics: up to where their stages have committed. A record that is finished later has its effect later.
    - Of tables: both, whichever is less. The API writes the record first, the stage Redis.
    """

    def __init__(self, connection: KafkaConnection, topics: TopicNames) -> None:
        self._connection = connection
        self._groups: Mapping[str, str] = {
            **_dispatch_groups(topics),
            **{topics.table(name): f"{topics.prefix}tables" for name in TABLES},
        }
        self._tables = {topics.table(name) for name in TABLES}
        self._names = [*self._groups, topics.outcomes, topics.withdrawals, topics.soft_bounces]
        self._partitions: Sequence[TopicPartition] = ()
        self._partitions_until_s = 0.0
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: Any = None
        self.ends: Positions = {}
        """Where the partitions ended when positions were last read."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; they are made again when positions are read, and topics are looked up again."""
        self._partitions_until_s = 0.0
        consumer, client, self._consumer, self._admin = self._consumer, self._admin, None, None
        if consumer is not None:
            await consumer.stop()
        if client is not None:
            await client.close()

    async def read(self, now_s: float) -> Positions:
        """Return the positions now. `now_s`: a monotonic clock, for how long the list of partitions is kept.

        Raise Unavailable; the connections are made again then.
        """
        try:
            async with kafka_errors(self._connection):
                return await self._read(now_s)
        except BaseException:
            await self.close()
            raise

    async def _read(self, now_s: float) -> Positions:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(**self._connection.arguments())
            await self._admin.start()
        if self._consumer is None:
            self._consumer = reader(self._connection)
            await self._consumer.start()
        if now_s >= self._partitions_until_s:
            counts = await count_partitions(self._admin)
            self._partitions = [
                TopicPartition(topic, n) for topic in self._names for n in range(counts.get(topic, 0))
            ]
            self._partitions_until_s = now_s + _TOPICS_INTERVAL_S
        # Commits before ends: a stage commits what it has published, so an end that is read later is not before it.
        committed = await _committed(self._admin, self._groups.values())
        ends = await ends_of(self._consumer, self._partitions) if self._partitions else {}
        self.ends = {(tp.topic, tp.partition): end for tp, end in ends.items()}
        return {
            (tp.topic, tp.partition): self._position(tp, committed.get(tp, -1), end)
            for tp, end in ends.items()
        }

    def _position(self, tp: TopicPartition, committed: int, end: int) -> int:
        if tp.topic not in self._groups:
            return end
        if tp.topic in self._tables and committed < 0:  # no worker runs the stage
            return end
        return max(0, min(committed, end))
