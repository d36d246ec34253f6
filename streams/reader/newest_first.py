"""Topics read backwards, from given positions to their beginnings."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.record import Record
from service.ports import Positions
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors
from streams.kafka.reader import POLL_MS, StallGuard, reader
from streams.kafka.records import to_records

_FIRST_RECORDS, _MOST_RECORDS = 32, 4096
"""Offsets of a partition that are read at a time: few at first, since most readers want a page of the newest."""
_FETCH_WAIT_MS = 20
_RECORDS_A_TURN = 500


async def newest_first(connection: KafkaConnection, before: Positions) -> AsyncGenerator[Record, None]:
    """Yield the records before these positions by their time, the newest first. Raise Unavailable.

    Those of one partition come in reverse order, whatever their times.
    """
    partitions = {TopicPartition(*place): offset for place, offset in before.items()}
    if not partitions:
        return
    consumer = reader(connection, fetch_wait_ms=_FETCH_WAIT_MS)
    try:
        async with kafka_errors(connection):
            await consumer.start()
            consumer.assign(list(partitions))
            begins = await consumer.beginning_offsets(list(partitions))
        backward = _Backward(connection, consumer, begins, partitions)
        read = 0
        while (record := await backward.next()) is not None:
            yield record
            read += 1
            if read % _RECORDS_A_TURN == 0:
                await asyncio.sleep(
                    0
                )  # a process that serves others too must not be busy for the time of a whole part
    finally:
        await consumer.stop()


class _Backward:
    """A merge of partitions that are each read in ever larger parts, from the end to the beginning."""

    def __init__(
        self,
        connection: KafkaConnection,
        consumer: AIOKafkaConsumer,
        begins: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> None:
        self._connection = connection
        self._consumer = consumer
        self._begins = begins
        self._ends = dict(ends)
        self._sizes = dict.fromkeys(ends, _FIRST_RECORDS)
        self._waiting: dict[TopicPartition, list[Record]] = {tp: [] for tp in ends}
        self._heap: list[tuple[int, TopicPartition]] = []
        self._empty = list(ends)

    async def next(self) -> Record | None:
        """Return the newest record that is left, or None."""
        if self._empty:
            await self._fill(self._empty)
            for tp in self._empty:
                self._push(tp)
            self._empty = []
        if not self._heap:
            return None
        _, tp = heapq.heappop(self._heap)
        record = self._waiting[tp].pop()
        if self._waiting[tp]:
            self._push(tp)
        else:
            self._empty = [tp]
        return record

    def _push(self, tp: TopicPartition) -> None:
        if records := self._waiting[tp]:
            heapq.heappush(self._heap, (-records[-1].timestamp_ms, tp))

    async def _fill(self, partitions: Iterable[TopicPartition]) -> None:
        """Read the part before the last one of each partition; where it is empty, as after compaction, further ones."""
        while left := [
            tp for tp in partitions if not self._waiting[tp] and self._begins[tp] < self._ends[tp]
        ]:
            unread = {}
            for tp in left:
                unread[tp] = self._ends[tp]
                self._ends[tp] = max(self._begins[tp], self._ends[tp] - self._sizes[tp])
                self._sizes[tp] = min(_MOST_RECORDS, 4 * self._sizes[tp])
                self._consumer.seek(tp, self._ends[tp])
            await self._read(unread)

    async def _read(self, unread: dict[TopicPartition, int]) -> None:
        """Read each partition up to an offset."""
        stall = StallGuard()
        self._consumer.pause(*(self._waiting.keys() - unread.keys()))
        self._consumer.resume(*unread)
        async with kafka_errors(self._connection, None):
            while unread:
                fetched = await self._consumer.getmany(*unread, timeout_ms=POLL_MS)
                for tp, records in fetched.items():
                    end = unread[tp]
                    self._waiting[tp] += (one for one in to_records(records) if one.offset < end)
                for tp, end in list(unread.items()):
                    if await self._consumer.position(tp) >= end:
                        del unread[tp]
                        self._consumer.pause(tp)
                if fetched:
                    stall.received()
                else:
                    stall.check(len(unread))
