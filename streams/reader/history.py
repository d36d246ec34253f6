"""All that some topics hold, in the order of its times, in bounded memory."""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence

from aiokafka import TopicPartition

from service.model.record import Record
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import reader

BATCH = 500
_FETCHED = 2000
_POLL_MS = 250
_STALLED_S = 30.0


class MergedReader:
    """Reads topics from their beginnings to where they end, and on to where they end by then, until nothing is new.

    Records come by time; of the same millisecond, those of the topic named first. A topic that is not there is empty.
    """

    def __init__(self, connection: KafkaConnection, topics: Sequence[str]) -> None:
        self.left = 0
        """Records still to be read, about."""
        self._connection = connection
        self._rank = {topic: rank for rank, topic in enumerate(topics)}
        self._consumer = reader(connection)
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self._open: dict[TopicPartition, int] = {}

    async def batches(self) -> AsyncIterator[list[Record]]:
        """At most 500 records at a time. Raises Unavailable."""
        there = await partition_counts(self._connection)
        every = [TopicPartition(topic, n) for topic in self._rank for n in range(there.get(topic, 0))]
        if not every:
            return
        self._waiting = {tp: deque() for tp in every}
        try:
            async with kafka_errors(self._connection):
                await self._consumer.start()
                self._consumer.assign(every)
                await self._consumer.seek_to_beginning(*every)
            while await self._ahead(every):
                async for batch in self._merged():
                    yield batch
        finally:
            await self._consumer.stop()

    async def _ahead(self, every: Sequence[TopicPartition]) -> bool:
        """Look where the topics end now; whether there is anything before that."""
        async with kafka_errors(self._connection):
            ends = await self._consumer.end_offsets(every)
            places = {tp: await self._consumer.position(tp) for tp in every}
        self._open = {tp: end for tp, end in ends.items() if places[tp] < end}
        self.left = sum(end - places[tp] for tp, end in self._open.items())
        return bool(self._open)

    async def _merged(self) -> AsyncIterator[list[Record]]:
        batch: list[Record] = []
        await self._fill(self._open)
        heap = [self._place(tp) for tp, records in self._waiting.items() if records]
        heapq.heapify(heap)
        while heap:
            *_, tp = heap[0]
            records = self._waiting[tp]
            batch.append(records.popleft())
            if not records:
                await self._fill([tp])
            if records:
                heapq.heapreplace(heap, self._place(tp))
            else:
                heapq.heappop(heap)
            if len(batch) == BATCH:
                self.left = max(0, self.left - len(batch))
                yield batch
                batch = []
        if batch:
            self.left = 0
            yield batch

    def _place(self, tp: TopicPartition) -> tuple[int, int, TopicPartition]:
        return self._waiting[tp][0].timestamp_ms, self._rank[tp.topic], tp

    async def _fill(self, wanted: Iterable[TopicPartition]) -> None:
        """Read until each of these has a record waiting, or has come to its end."""
        loop = asyncio.get_running_loop()
        moved = loop.time()
        async with kafka_errors(self._connection, None):
            while needed := [tp for tp in wanted if tp in self._open and not self._waiting[tp]]:
                fetched = await self._consumer.getmany(*needed, timeout_ms=_POLL_MS, max_records=_FETCHED)
                for tp, records in fetched.items():
                    self._waiting[tp].extend(
                        Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
                        for r in records
                    )
                for tp in needed:
                    if await self._consumer.position(tp) >= self._open[tp]:
                        del self._open[tp]
                if fetched:
                    moved = loop.time()
                elif loop.time() - moved > _STALLED_S:
                    raise Unavailable(
                        f"Kafka has sent nothing for {_STALLED_S:.0f} s; {len(needed)} partitions are unread"
                    )
