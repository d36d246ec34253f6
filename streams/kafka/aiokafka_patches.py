"""Header names that are not UTF-8. Kafka takes them; aiokafka raises, and would again at every read, for ever.

So one careless record would stop its partition. Where aiokafka's parser fails, the rest of that record batch is read by
its slower Python twin, with such a name spelt in escapes (`\\xff`); what carries it is then an event like any other.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class _EscapingBytes(bytearray):
    """Bytes that decode whatever they are."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _EscapingBytes(found) if isinstance(index, slice) else found

    def decode(self, *_: Any) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")


class _RereadableRecords(MemoryRecords):  # type: ignore[misc]  # aiokafka has no types
    """What was fetched, with its bytes, so that it can be read a second time."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class HeaderTolerantRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """aiokafka's iterator over what was fetched, that goes on where it would have failed."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        while True:
            try:
                yield from super()._unpack_records()
            except UnicodeDecodeError:
                yield from self._rest_of_batch()
            else:
                return

    def _rest_of_batch(self) -> Iterator[Any]:
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
    raise ValueError(f"no batch holds offset {offset}")  # it has just failed there, so there is one


def install() -> None:
    """Make every consumer of this process lenient; harmless when done again."""
    fetcher.MemoryRecords = _RereadableRecords
    fetcher.PartitionRecords = HeaderTolerantRecords
