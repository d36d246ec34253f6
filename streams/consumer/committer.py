"""Tells Kafka how far a stage has come: explicit offsets, by time and by count, never the consumer's position."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.consumer.limits import StageLimits
from streams.consumer.partition import Partition
from streams.faults.points import Fault
from streams.kafka.cancellation import raise_if_cancelled

log = logging.getLogger(__name__)

_COMMIT_SECONDS = 10.0


class Committer:
    """Commits for one consumer. A commit that fails loses nothing: its records come again."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Mapping[TopicPartition, Partition],
        limits: StageLimits,
        fault: Fault,
    ) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._limits = limits
        self._fault = fault
        self._since = 0
        self._refused_since: float | None = None
        self._many = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()  # a retry of an earlier commit must not undo a later one

    @property
    def refused_s(self) -> float:
        """For how many seconds every commit has failed; 0 when the last one did not."""
        return 0.0 if self._refused_since is None else time.monotonic() - self._refused_since

    def finished(self, records: int) -> None:
        """Count; `commit_every` of them do not wait for the interval."""
        self._since += records
        if self._since >= self._limits.commit_every:
            self._many.set()

    async def run(self) -> None:
        """Commit for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.commit_interval):
                    await self._many.wait()
            self._many.clear()
            self._since = 0
            await self.commit(dict(self._partitions))

    async def commit(self, partitions: Mapping[TopicPartition, Partition]) -> None:
        """Commit what is owed for these partitions; returns after 10 s at most, and never raises for Kafka's sake."""
        async with self._one_at_a_time:
            owed = {
                tp: offset for tp, part in partitions.items() if (offset := part.mark.pending) is not None
            }
            if not owed:
                self._refused_since = None
                return
            self._fault("after_finish_before_commit")
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._consumer.commit(owed)
            except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
                raise_if_cancelled()
                log.warning("commit failed, the records may come again: %r", error)
                self._refused_since = self._refused_since or time.monotonic()
                return
            self._refused_since = None
            self._fault("after_commit")
            for tp, offset in owed.items():
                partitions[tp].mark.committed = offset
