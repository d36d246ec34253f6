"""Consumers outside any consumer group, for everything that reads topics and is not a stage."""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.ports import Unavailable
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection

POLL_MS = 250
_STALL_TIMEOUT_S = 30.0


def reader(connection: KafkaConnection, *, fetch_wait_ms: int = 500) -> AIOKafkaConsumer:
    """Return a consumer that is not started and has no partition assigned.

    It reads from the beginning unless it is sought elsewhere, and only what transactional producers have committed.
    For `fetch_wait_ms` a broker keeps a fetch at the end of a log; a question for offsets waits behind it.
    """
    aiokafka_patches.install()
    return AIOKafkaConsumer(
        **connection.arguments(),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=fetch_wait_ms,
    )


async def ends_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Return where partitions end. Raise KafkaError.

    Their topics are looked up together: aiokafka does it one by one, a tenth of a second each.
    """
    await consumer._client.set_topics({tp.topic for tp in partitions})
    ends: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
    return ends


class StallGuard:
    """Limit of 30 s on the wait for records that are known to exist. Starts when it is made."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._received_at = self._now()

    def received(self) -> None:
        """Start the 30 s again: records have come, or none has to."""
        self._received_at = self._now()

    def check(self, unread: int) -> None:
        """Raise Unavailable when nothing was received for 30 s. `unread` is the number of partitions left to read."""
        if self._now() - self._received_at > _STALL_TIMEOUT_S:
            raise Unavailable(
                f"Kafka has sent nothing for {_STALL_TIMEOUT_S:.0f} s; {unread} partitions are unread"
            )
