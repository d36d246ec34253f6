"""Consumers outside any consumer group, for everything that reads topics and is not a stage."""

import asyncio

from aiokafka import AIOKafkaConsumer

from service.ports import Unavailable
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection

POLL_MS = 250
_STALL_TIMEOUT_S = 30.0


def reader(connection: KafkaConnection) -> AIOKafkaConsumer:
    """Return a consumer that is not started and has no partition assigned.

    It reads from the beginning unless it is sought elsewhere, and only what transactional producers have committed.
    """
    aiokafka_patches.install()
    return AIOKafkaConsumer(
        **connection.arguments(),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )


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
