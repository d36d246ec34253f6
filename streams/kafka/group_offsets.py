"""The offsets that a consumer group has committed.

aiokafka overlooks an error of the group as a whole, with which a coordinator answers that is loading or has moved: the
answer would read as that of a group which has committed nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NotCoordinatorForGroupError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import OffsetAndMetadata

_RETRY_S = 0.2

Committed = Mapping[TopicPartition, OffsetAndMetadata]


def committed_in(response: Any) -> Committed:
    """Return what an answer says is committed. Raise KafkaError."""
    if error := getattr(response, "error_code", 0):
        raise for_code(error)("committed offsets")
    committed: dict[TopicPartition, OffsetAndMetadata] = {}
    for topic, partitions in response.topics:
        for partition, offset, metadata, error in partitions:
            if error and for_code(error) is not UnknownTopicOrPartitionError:
                raise for_code(error)(f"committed offset of {topic}-{partition}")
            if not error and offset >= 0:
                committed[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
    return committed


async def offsets_of_member(coordinator: Any, partitions: Iterable[TopicPartition]) -> Committed:
    """Return what the group of a consumer, by its coordinator of aiokafka's, has committed for these partitions.

    Retry until the group's coordinator can answer: the caller limits the time. Raise KafkaError.
    """
    by_topic: dict[str, list[int]] = defaultdict(list)
    for tp in partitions:
        by_topic[tp.topic].append(tp.partition)
    if not by_topic:
        return {}

    async def fetch() -> Any:
        await coordinator.ensure_coordinator_known()
        request = OffsetFetchRequest(coordinator.group_id, list(by_topic.items()))
        return await coordinator._send_req(request)

    return await _until_answered(fetch, coordinator.coordinator_dead)


async def offsets_of_group(client: Any, group: str) -> Committed:
    """Return all that a group has committed, by an admin client. As `offsets_of_member`."""

    async def fetch() -> Any:
        coordinator = await client.find_coordinator(group)
        return await client._send_request(OffsetFetchRequest(group, None), coordinator)

    return await _until_answered(fetch, lambda: None)


async def _until_answered(fetch: Callable[[], Awaitable[Any]], moved: Callable[[], None]) -> Committed:
    while True:
        try:
            return committed_in(await fetch())
        except KafkaError as error:
            if isinstance(error, NotCoordinatorForGroupError):
                moved()
            if not error.retriable:
                raise
            await asyncio.sleep(_RETRY_S)
