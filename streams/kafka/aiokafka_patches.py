"""Patches of aiokafka, so that no record that a broker accepts stops a partition or fills the memory.

- A batch is decompressed in pieces (`record_batches`), where aiokafka would decompress all of it at once. A record too
  large to be held, and what cannot be read of a batch, come as one record whose value is a `PartialValue`.
- A read returns after about 1 MiB of records, and lets other tasks run between pieces that hold none.
- A header name that is not UTF-8 is spelt in escapes (`\\xff`), where aiokafka raises, and would again at every read.

And so that brokers that have moved are found (`bootstrap_servers`).
"""

import asyncio
import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import consumer as consumer_module
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from service.model.reasons import DeadReason
from service.model.record import PartialValue
from streams.kafka.bootstrap_servers import update_metadata
from streams.kafka.record_batches import Chunk, LargeRecord, Progress, Rest, parts, whole

SLICE_BYTES = 1024 * 1024
_LOG_OVERHEAD = 12
_MAGIC_AT, _MAGIC = 16, 2
_PAUSE = object()
"""In place of a record: enough was read for one call."""


class _EscapingBytes(bytearray):
    """Bytes whose `decode` never fails."""

    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        return _EscapingBytes(item) if isinstance(index, slice) else item

    def decode(self, *_: Any) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")


class PositionedRecords(MemoryRecords):  # type: ignore[misc]  # aiokafka has no types
    """Fetched record batches of which the bytes of the last one can be had."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = memoryview(data)
        self._start = self._end = 0

    def next_batch(self) -> Any:
        """Return the next batch."""
        self._start = self._end
        (length,) = struct.unpack_from(">i", self._data, self._start + 8)
        self._end = self._start + _LOG_OVERHEAD + length
        return super().next_batch()

    @property
    def batch(self) -> memoryview:
        """Return the bytes of the batch that `next_batch` has returned."""
        return self._data[self._start : self._end]


class BoundedPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """aiokafka's iterator over fetched records; it yields `_PAUSE` after every 1 MiB, and raises on no record."""

    next_fetch_offset: int
    bytes_read = 0
    """Bytes of the batches and chunks whose records were read, without compression."""
    ended = False
    _paused_at = 0

    def _unpack_records(self) -> Iterator[Any]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._is_skipped(batch):
                yield from self._read(batch)
            # Also where compaction has removed the last records, or all: else this batch would be fetched again.
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)
            if self.bytes_read - self._paused_at >= SLICE_BYTES:
                yield self._pause()
        self.ended = True

    def _is_skipped(self, batch: Any) -> bool:
        """Return whether a batch holds no records of ours: a transaction's marker, or records of an aborted one."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _read(self, batch: Any) -> Iterator[Any]:
        data = self._records.batch
        if data[_MAGIC_AT] < _MAGIC:
            yield from self._consumer_records(batch)
            return
        try:
            if whole(data):
                yield from self._decoded(batch, data)
            else:
                yield from self._read_parts(data)
        except CorruptRecordException as error:  # its checksum is right, so every read would fail
            yield from self._rest(batch.next_offset, DeadReason.unreadable, str(error))

    def _read_parts(self, data: memoryview) -> Iterator[Any]:
        next_offset = DefaultRecordBatch(data).next_offset
        for part in parts(data):
            match part:
                case Chunk(chunk):
                    yield from self._decoded(DefaultRecordBatch(chunk), memoryview(chunk))
                    if self.bytes_read - self._paused_at >= SLICE_BYTES:
                        yield self._pause()
                case LargeRecord():
                    yield from self._consumer_records([part])
                case Rest(reason, detail):
                    yield from self._rest(next_offset, reason, detail)
                case Progress(size):
                    self.bytes_read += size
                    yield self._pause()

    def _pause(self) -> object:
        self._paused_at = self.bytes_read
        return _PAUSE

    def _decoded(self, batch: Any, data: memoryview) -> Iterator[Any]:
        """Yield the records of a batch; those after a header name that is not UTF-8 by aiokafka's slower parser."""
        self.bytes_read += len(data)
        try:
            yield from self._consumer_records(batch)
        except UnicodeDecodeError:
            tolerant = _DefaultRecordBatchPy(data)
            tolerant._buffer = _EscapingBytes(tolerant._buffer)
            yield from self._consumer_records(tolerant)

    def _consumer_records(self, records: Any) -> Iterator[Any]:
        for record in records:
            if record.offset >= self.next_fetch_offset:  # a batch is fetched whole, also from its middle on
                self.next_fetch_offset = record.offset + 1
                yield self._consumer_record(self._tp, record)

    def _rest(self, next_offset: int, reason: DeadReason, detail: str) -> Iterator[Any]:
        """Yield one record for all from the next one to the end of the batch, if there are any."""
        first = self.next_fetch_offset
        if first < next_offset:
            value = PartialValue(reason=reason, detail=detail, last_offset=next_offset - 1)
            written_ms = DefaultRecordBatch(self._records.batch).max_timestamp
            yield from self._consumer_records([LargeRecord(first, written_ms, 0, None, value)])
            self.next_fetch_offset = next_offset


class BoundedFetchResult(fetcher.FetchResult):  # type: ignore[misc]
    """Fetched records of one partition, of which one call returns about 1 MiB."""

    _partition_records: Any
    bytes_read = 0
    paused = False
    """True when the last call ended at `_PAUSE`: there is more to read, and no need to wait for it."""

    def getone(self) -> Any:
        """Return the next record; None when there is none."""
        while (record := super().getone()) is _PAUSE:
            pass
        return record

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next records, at most so many and at most up to the next `_PAUSE`."""
        self.paused = False
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        records: list[Any] = []
        source: BoundedPartitionRecords = self._partition_records
        for record in source:
            if record is _PAUSE:
                self.paused = True
                break
            records.append(record)
            if max_records is not None and len(records) >= max_records:
                break
        self.bytes_read = source.bytes_read
        self._update_position()
        if source.ended:
            self._partition_records = None
        return records


class BoundedFetcher(fetcher.Fetcher):  # type: ignore[misc]
    """aiokafka's fetcher; a call returns about 1 MiB, of all partitions together, and each has its turn."""

    async def close(self) -> None:
        """Stop fetching. A request that waits for a broker is cancelled; in aiokafka its end is that of the caller."""
        self._closed = True
        self._fetch_task.cancel()
        await asyncio.gather(self._fetch_task, return_exceptions=True)  # it begins requests
        for task in self._pending_tasks:
            task.cancel()
        await asyncio.gather(*self._pending_tasks, return_exceptions=True)
        self._pending_tasks.clear()
        await super().close()

    async def fetched_records(
        self, partitions: Any, timeout: Any = 0, max_records: int | None = None
    ) -> dict[Any, list[Any]]:
        """Return fetched records by partition; wait for the timeout (s) when there are none. Raise KafkaError."""
        wait_until = self._loop.time() + timeout
        while True:
            # Before anything is taken: a caller that reads as fast as it can would else keep the event loop to itself.
            await asyncio.sleep(0)
            if self._subscriptions.reassignment_in_progress:
                await self._subscriptions.wait_for_assignment()
            drained, unfinished = self._take(partitions, max_records)
            left_s = wait_until - self._loop.time()
            if drained or left_s <= 0:
                return drained
            if unfinished:
                continue
            waiter = self._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=left_s)
            if not done or self._closed:
                waiter.cancel()
                return {}
            waiter.result()

    def _take(self, partitions: Any, max_records: int | None) -> tuple[dict[Any, list[Any]], bool]:
        """Return what is there, and whether a partition has more that takes no waiting."""
        drained: dict[Any, list[Any]] = {}
        left, read, unfinished = max_records, 0, False
        for tp in list(self._records):
            if partitions and tp not in partitions:
                if not self._subscriptions.is_assigned(tp):
                    del self._records[tp]
                continue
            result = self._records[tp]
            if not isinstance(
                result, BoundedFetchResult
            ):  # an error: raised when nothing was taken before it
                if drained:
                    break
                del self._records[tp]
                self._notify(self._wait_consume_future)
                result.check_raise()
            before = result.bytes_read
            records = result.getall(left)
            read += result.bytes_read - before
            unfinished |= result.paused
            if result.has_more():
                self._records.move_to_end(tp)
            else:
                del self._records[tp]
                self._notify(self._wait_consume_future)
            if records:
                drained[tp] = records
                left = None if left is None else left - len(records)
            if left == 0 or read >= SLICE_BYTES:
                break
        return drained, unfinished


def install() -> None:
    """Make every client of this process work so; calling it again changes nothing."""
    AIOKafkaClient._metadata_update = update_metadata
    fetcher.MemoryRecords = PositionedRecords
    fetcher.PartitionRecords = BoundedPartitionRecords
    fetcher.FetchResult = BoundedFetchResult
    consumer_module.Fetcher = BoundedFetcher
