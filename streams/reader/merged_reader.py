"""All records of some topics, merged by time in bounded memory."""

import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence

from aiokafka import TopicPartition

from service.model.record import Record
from service.ports.state_history import Positions
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import POLL_MS, StallGuard, reader
from streams.kafka.records import to_records

BATCH = 500
BATCH_BYTES = 2 * 1024 * 1024
_FETCH_RECORDS = 2000
_FETCH_WAIT_MS = 20
"""Short, because every reading ends with a question for the ends: a catch-up makes a dozen of them."""
BEGINNING: Positions = {}


class MergedReader:
    """Reader of topics from their beginning to their end, and again to the new end, until nothing new has come.

    Records come by time; of the same millisecond, those of the topic named first. A topic that does not exist is empty.
    `since`: positions to start at; a partition that is not in it, or was created again since, is read whole.
    """

    def __init__(
        self, connection: KafkaConnection, topics: Sequence[str], since: Positions = BEGINNING
    ) -> None:
        self._since = since
        self.left = 0
        """Records still to be read, roughly."""
        self._connection = connection
        self._rank = {topic: rank for rank, topic in enumerate(topics)}
        self._consumer = reader(connection, fetch_wait_ms=_FETCH_WAIT_MS)
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def batches(self) -> AsyncIterator[list[Record]]:
        """Yield at most 500 records at a time, and no more once they have 2 MiB. Raise Unavailable."""
        counts = await partition_counts(self._connection)
        partitions = [TopicPartition(topic, n) for topic in self._rank for n in range(counts.get(topic, 0))]
        if not partitions:
            return
        self._waiting = {tp: deque() for tp in partitions}
        try:
            async with kafka_errors(self._connection):
                await self._consumer.start()
                self._consumer.assign(partitions)
                await self._seek(partitions)
            while await self._update_ends(partitions):
                async for batch in self._merged():
                    yield batch
        finally:
            await self._consumer.stop()

    async def _seek(self, partitions: Sequence[TopicPartition]) -> None:
        """Start at the positions in `since`, at the beginning where that is later or the partition ends before."""
        await self._consumer.seek_to_beginning(*partitions)
        known = [tp for tp in partitions if self._since.get((tp.topic, tp.partition), 0)]
        if not known:
            return
        ends = await self._consumer.end_offsets(known)
        for tp in known:
            at = self._since[tp.topic, tp.partition]
            if await self._consumer.position(tp) < at <= ends[tp]:
                self._consumer.seek(tp, at)

    async def _update_ends(self, partitions: Sequence[TopicPartition]) -> bool:
        """Note where the partitions end now; return whether any has records before that."""
        async with kafka_errors(self._connection):
            ends = await self._consumer.end_offsets(partitions)
            positions = {tp: await self._consumer.position(tp) for tp in partitions}
        self._ends = {tp: end for tp, end in ends.items() if positions[tp] < end}
        self.left = sum(end - positions[tp] for tp, end in self._ends.items())
        return bool(self._ends)

    async def _merged(self) -> AsyncIterator[list[Record]]:
        batch: list[Record] = []
        batch_bytes = 0
        await self._fill(self._ends)
        heap = [self._precedence(tp) for tp, records in self._waiting.items() if records]
        heapq.heapify(heap)
        while heap:
            *_, tp = heap[0]
            records = self._waiting[tp]
            batch.append(record := records.popleft())
            batch_bytes += len(record.value or b"")
            if not records:  # before the next record is chosen: it may be this partition's
                await self._fill([tp])
            if records:
                heapq.heapreplace(heap, self._precedence(tp))
            else:
                heapq.heappop(heap)
            if len(batch) == BATCH or batch_bytes >= BATCH_BYTES:
                self.left = max(0, self.left - len(batch))
                yield batch
                batch, batch_bytes = [], 0
        if batch:
            self.left = 0
            yield batch

    def _precedence(self, tp: TopicPartition) -> tuple[int, int, TopicPartition]:
        return self._waiting[tp][0].timestamp_ms, self._rank[tp.topic], tp

    async def _fill(self, partitions: Iterable[TopicPartition]) -> None:
        """Read until each of these partitions has a record waiting or has been read to its end."""
        stall = StallGuard()
        async with kafka_errors(self._connection, None):
            while empty := [tp for tp in partitions if tp in self._ends and not self._waiting[tp]]:
                fetched = await self._consumer.getmany(*empty, timeout_ms=POLL_MS, max_records=_FETCH_RECORDS)
                for tp, records in fetched.items():
                    self._waiting[tp].extend(to_records(records))
                for tp in empty:
                    if await self._consumer.position(tp) >= self._ends[tp]:
                        del self._ends[tp]
                if fetched:
                    stall.received()
                else:
                    stall.check(len(empty))
