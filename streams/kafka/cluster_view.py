"""What the brokers say about topics, logs and groups, asked on connections of its own: none waits behind a fetch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import NodeNotReadyError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.offset import OffsetRequest

from streams.kafka.topic_requests import TopicDescription, TopicRequest, topic_descriptions

_CONNECTION = "view"
_LATEST, _EARLIEST = -1, -2
_STABLE, _EMPTY = "Stable", "Empty"


class LogBounds(NamedTuple):
    """The first offset that a partition's log still has, and the one after its last."""

    begin: int
    end: int


class ClusterView:
    """Questions to the cluster through a client of aiokafka. Each may raise KafkaError."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    async def topics(self, names: Sequence[str] | None) -> Mapping[str, TopicDescription]:
        """Return the topics of these names, or all, without those that do not exist."""
        node = self._client.get_random_node()
        if node is None:
            raise NodeNotReadyError("no broker is known")
        return topic_descriptions(await self._send(node, TopicRequest(names)))

    async def bounds(
        self, partitions: Iterable[TopicPartition], topics: Mapping[str, TopicDescription]
    ) -> Mapping[TopicPartition, LogBounds]:
        """Return the bounds of logs, without those that have no leader now. `topics` is their present description."""
        by_leader = defaultdict[int, defaultdict[str, list[int]]](lambda: defaultdict(list))
        for tp in partitions:
            leader = topics[tp.topic].leaders.get(tp.partition, -1) if tp.topic in topics else -1
            if leader >= 0:
                by_leader[leader][tp.topic].append(tp.partition)
        begins: dict[TopicPartition, int] = {}
        ends: dict[TopicPartition, int] = {}
        for leader, numbers_by_topic in by_leader.items():
            for offsets, which in ((begins, _EARLIEST), (ends, _LATEST)):
                requested = [
                    (topic, [(n, which) for n in numbers]) for topic, numbers in numbers_by_topic.items()
                ]
                response = await self._send(leader, OffsetRequest(-1, 0, requested))
                for topic, answers in response.topics:
                    for partition, error, _, offset in answers:
                        if not error:
                            offsets[TopicPartition(topic, partition)] = offset
        return {tp: LogBounds(begins[tp], ends[tp]) for tp in begins.keys() & ends.keys()}

    async def owned(self, group: str, coordinator: int) -> frozenset[TopicPartition] | None:
        """Return the partitions that the members of a group read; None while the group rebalances."""
        response = await self._send(coordinator, DescribeGroupsRequest([group]))
        for error, _, state, _, _, members, *_ in response.groups:
            if error:
                raise for_code(error)(group)
            if state not in (_STABLE, _EMPTY):
                return None
            return frozenset(
                tp
                for *_, assignment in members
                if assignment
                for tp in ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions()
            )
        return None

    async def _send(self, node: int, request: Any) -> Any:
        return await self._client.send(node, request, group=_CONNECTION)
