"""A patch of aiokafka's parser for header names that are not UTF-8.

Kafka accepts such a name. aiokafka raises on it, and would again at every read, so one careless record would stop its
partition for ever. Where aiokafka's parser fails, the rest of that record batch is read by its slower Python twin, with
the name spelt in escapes (`\\xff`); the record is then handled like any other.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class _EscapingBytes(bytearray):
    """Bytes whose `decode` never fails."""

    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        return _EscapingBytes(item) if isinstance(index, slice) else item

    def decode(self, *_: Any) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")


class _RereadableRecords(MemoryRecords):  # type: ignore[misc]  # aiokafka has no types
    """Fetched records that keep their bytes, so that they can be read a second time."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class HeaderTolerantRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """aiokafka's iterator over fetched records, which continues where aiokafka's own would raise."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        while True:
            try:
                yield from super()._unpack_records()
            except UnicodeDecodeError:
                yield from self._remaining_in_batch()
            else:
                return

    def _remaining_in_batch(self) -> Iterator[Any]:
        batch = _batch_at(self._records.data, self.next_fetch_offset)
        for record in batch:
            if record.offset >= self.next_fetch_offset:
                self.next_fetch_offset = record.offset + 1
                yield self._consumer_record(self._tp, record)
        self.next_fetch_offset = batch.next_offset


def _batch_at(data: bytes, offset: int) -> Any:
    records = _MemoryRecordsPy(data)
    while (part := records._next_slice) is not None:
        records._cache_next()
        batch = _DefaultRecordBatchPy(part)
        if offset < batch.next_offset:
            batch._maybe_uncompress()
            batch._buffer = _EscapingBytes(batch._buffer)
            return batch
    raise ValueError(f"no batch holds offset {offset}")  # aiokafka has just failed inside it, so there is one


def install() -> None:
    """Make every consumer of this process tolerant; calling it again changes nothing."""
    fetcher.MemoryRecords = _RereadableRecords
    fetcher.PartitionRecords = HeaderTolerantRecords
