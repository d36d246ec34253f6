"""What consumer groups commit, and when they rebalance, as the broker's own topic `__consumer_offsets` says.

It is read from the outside, so a worker that is killed or blocked hides nothing. The format of its records is that of
Kafka's group coordinator: OffsetCommitKey, OffsetCommitValue, GroupMetadataKey, GroupMetadataValue.
"""

from collections.abc import Collection
from struct import unpack_from
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

_TOPIC = "__consumer_offsets"
_GROUP_KEY = 2
"""The version of a GroupMetadataKey; lower ones are those of an OffsetCommitKey."""


class Generation(NamedTuple):
    """A generation of a group: the group has rebalanced. `at_ms` is the broker's time."""

    group: str
    number: int
    at_ms: int


class GroupLog:
    """The groups of a broker, from the first record on. Connect and disconnect by `async with`, then call `read`."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        self._partitions: list[TopicPartition] = []
        self.committed: dict[str, dict[TopicPartition, int]] = {}
        """By group: the next offset of each partition."""
        self.generations: list[Generation] = []
        """Those in which the group had members."""

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> None:
        """Read what has been written since the last call."""
        if not self._partitions:  # the topic is made when the first group is
            numbers = await self._consumer._client.fetch_all_metadata()
            self._partitions = [TopicPartition(_TOPIC, n) for n in numbers.partitions_for_topic(_TOPIC) or ()]
            if not self._partitions:
                return
            self._consumer.assign(self._partitions)
        ends = await self._consumer.end_offsets(self._partitions)
        while [tp for tp in self._partitions if await self._consumer.position(tp) < ends[tp]]:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if record.key and record.value:
                        self._note(record.key, record.value, record.timestamp)

    async def lag(self, groups: dict[str, Collection[TopicPartition]]) -> int:
        """Return the number of records that these groups have not committed, as of the last `read`."""
        every = [tp for partitions in groups.values() for tp in partitions]
        ends = await self._consumer.end_offsets(every)
        return sum(
            ends[tp] - self.committed.get(group, {}).get(tp, 0)
            for group, partitions in groups.items()
            for tp in partitions
        )

    def _note(self, key: bytes, value: bytes, at_ms: int) -> None:
        (version,) = unpack_from(">h", key)
        group, place = _text(key, 2)
        if version < _GROUP_KEY:
            topic, place = _text(key, place)
            (partition,) = unpack_from(">i", key, place)
            (offset,) = unpack_from(">q", value, 2)
            self.committed.setdefault(group, {})[TopicPartition(topic, partition)] = offset
        elif version == _GROUP_KEY:
            _, place = _text(value, 2)  # the protocol's type
            number, leader_bytes = unpack_from(">i", value, place)[0], _leader_bytes(value, place + 4)
            if leader_bytes > 0:
                self.generations.append(Generation(group, number, at_ms))


def _text(octets: bytes, place: int) -> tuple[str, int]:
    """Return a string after its length, and the place behind it. A length of -1 is that of null."""
    (size,) = unpack_from(">h", octets, place)
    end = place + 2 + max(size, 0)
    return octets[place + 2 : end].decode(), end


def _leader_bytes(value: bytes, place: int) -> int:
    """Return the length of the leader's id; -1 for a group without members."""
    _, place = _text(value, place)  # the protocol
    size: int = unpack_from(">h", value, place)[0]
    return size
