"""Commits of a stage: explicit offsets, by time and by count, never the consumer's position."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.consumer.limits import StageLimits
from streams.consumer.partition import Partition
from streams.faults.points import Fault
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.partition_names import partition_names

log = structlog.get_logger(__name__)

_COMMIT_TIMEOUT_S = 10.0


class Committer:
    """Commits for one consumer. A commit that fails loses nothing: its records are read again."""

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
        self._finished = 0
        self._failing_since: float | None = None
        self._enough = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()  # a retry of an earlier commit must not undo a later one

    @property
    def failing_s(self) -> float:
        """Seconds for which every commit has failed; 0 when the last one did not."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def finished(self, records: int) -> None:
        """Count finished records; after `commit_every` of them, commit without waiting for the interval."""
        self._finished += records
        if self._finished >= self._limits.commit_every:
            self._enough.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.commit_interval_s):
                    await self._enough.wait()
            self._enough.clear()
            self._finished = 0
            await self.commit(dict(self._partitions))

    async def commit(self, partitions: Mapping[TopicPartition, Partition]) -> None:
        """Commit the committable offsets of these partitions. Return after 10 s at most; raise no error of Kafka's."""
        async with self._one_at_a_time:
            offsets = {
                tp: offset
                for tp, partition in partitions.items()
                if (offset := partition.offsets.uncommitted_offset) is not None
            }
            if not offsets:
                self._failing_since = None
                return
            # Finished before committed: `offsets` ends before the first unfinished record of each partition.
            self._fault("after_finish_before_commit")
            try:
                async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                    # With the topic's id: an offset of a topic that was made again since is not taken for one of it.
                    await self._consumer.commit(
                        {tp: (offset, partitions[tp].topic_id) for tp, offset in offsets.items()}
                    )
            except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
                raise_if_cancelled()
                log.warning("commit_failed", partitions=partition_names(offsets), error=repr(error))
                self._failing_since = self._failing_since or time.monotonic()
                return
            self._failing_since = None
            self._fault("after_commit")
            for tp, offset in offsets.items():
                partitions[tp].offsets.committed = offset
