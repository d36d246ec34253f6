"""Record batches (magic 2, KIP-98) read in chunks, so that memory is bounded whatever a batch expands to.

A chunk is a batch of its own: the records of about 256 KiB, uncompressed, under a copy of the batch's header, so that
aiokafka's parser in C reads it. A record over MAX_RECORD_BYTES is not held: it is read past, and a PartialValue
stands for it. So one does for all that is left of a batch that expands to more than MAX_BATCH_BYTES, or that cannot be
decompressed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from service.model.reasons import DeadReason
from service.model.record import PartialValue
from streams.kafka.decompression import Undecodable, decompressed

CHUNK_BYTES = 256 * 1024
MAX_RECORD_BYTES = 8 * 1024 * 1024
MAX_RECORD_HEADERS = 4096
"""Headers of a record over 64 KiB: each costs 60 bytes of memory and more, and two on the wire."""
MAX_BATCH_BYTES = 1024 * 1024 * 1024
"""The most that 1 MiB of gzip can become. Only zstd expands more."""
PREFIX_BYTES = 4096
_CHECKED_BYTES = 64 * 1024
_HEADER = struct.Struct(">qiibIhiqqqhii")
_ATTRIBUTES, _COUNT = struct.Struct(">h"), struct.Struct(">i")
_TIMES = struct.Struct(">qq")
_LENGTH_AT, _ATTRIBUTES_AT, _TIMES_AT, _COUNT_AT = 8, 21, 27, 57
_MAX_VARINT_BYTES = 10
_PROGRESS_BYTES = 1024 * 1024
_CODEC, _LOG_APPEND_TIME = 0x07, 0x08


class Chunk(NamedTuple):
    """A batch without compression that holds some of the records."""

    batch: bytes


class Progress(NamedTuple):
    """No record, but work: a place at which the event loop may do something else."""

    size: int


@dataclass(frozen=True, slots=True)
class LargeRecord:
    """A record that was read past, with the fields that aiokafka's records have."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: PartialValue
    headers: tuple[()] = ()
    checksum: None = None


class Rest(NamedTuple):
    """What is left of a batch that cannot be read further, and why."""

    reason: DeadReason
    detail: str


Part = Chunk | LargeRecord | Progress | Rest


def whole(batch: memoryview) -> bool:
    """Return whether a batch needs no chunks: it is not compressed, and no larger than Kafka allows by default."""
    (attributes,) = _ATTRIBUTES.unpack_from(batch, _ATTRIBUTES_AT)
    return not attributes & _CODEC and len(batch) <= 2 * 1024 * 1024


def parts(batch: memoryview) -> Iterator[Part]:
    """Yield what a batch holds, in order: chunks, records that are too large, and where it ends early, the rest."""
    reader = _BatchReader(batch)
    try:
        yield from reader.parts()
    except Undecodable as error:
        yield Rest(DeadReason.unreadable, f"the batch cannot be read: {error}")
    except _TooMuch as error:
        yield Rest(DeadReason.too_large, str(error))


class _TooMuch(Exception):
    """A batch expands to more than is read of one."""


class _BatchReader:
    """The records of one batch on their way through a buffer that never holds much more than one record."""

    def __init__(self, batch: memoryview) -> None:
        self._header = bytes(batch[: _HEADER.size])
        (self._attributes,) = _ATTRIBUTES.unpack_from(batch, _ATTRIBUTES_AT)
        (self._left,) = _COUNT.unpack_from(batch, _COUNT_AT)
        self._pieces = decompressed(self._attributes & _CODEC, batch[_HEADER.size :])
        self._buffer = bytearray()
        self._read = 0

    def parts(self) -> Iterator[Part]:
        """Yield the parts of the batch. Raise Undecodable, _TooMuch."""
        if self._fill() and not self._fill() and len(self._buffer) <= CHUNK_BYTES:
            yield self._chunk(self._left, len(self._buffer))
            return
        while self._left:
            count, size = self._acceptable()
            if count:
                yield self._chunk(count, size)
            elif self._first_is_refused():
                yield from self._past_first()
            elif len(self._buffer) > _MAX_VARINT_BYTES and _varint(self._buffer, 0)[0] < 0:
                raise Undecodable("a record has no length")  # it would be waited for until the batch ends
            elif not self._fill():
                raise Undecodable("it ends within a record")

    def _fill(self) -> bool:
        """Add one piece to the buffer; return False at the end. Raise _TooMuch at the limit of a batch."""
        if self._read > MAX_BATCH_BYTES:
            raise _TooMuch(f"the batch expands to more than {MAX_BATCH_BYTES >> 20} MiB")
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._buffer += piece
        self._read += len(piece)
        return True

    def _acceptable(self) -> tuple[int, int]:
        """Return number and size of the complete records at the start of the buffer, up to one that is refused."""
        buffer, end, most = self._buffer, len(self._buffer), self._left
        position = count = 0
        while count < most and position < CHUNK_BYTES:
            length, start = _varint(buffer, position)
            if length < 0 or start + length > end:
                break
            if length > _CHECKED_BYTES and self._is_refused(start, length):
                break
            position = start + length
            count += 1
        return count, position

    def _is_refused(self, start: int, length: int) -> bool:
        """Return whether a record that is in the buffer is too large to be held."""
        if length > MAX_RECORD_BYTES:
            return True
        head = _Head(self._buffer, start)
        return _varint(self._buffer, head.value_end)[0] > MAX_RECORD_HEADERS

    def _first_is_refused(self) -> bool:
        length, start = _varint(self._buffer, 0)
        buffered = len(self._buffer) - start
        if length > MAX_RECORD_BYTES:
            return buffered >= _CHECKED_BYTES
        return length > _CHECKED_BYTES and buffered >= length and self._is_refused(start, length)

    def _chunk(self, count: int, size: int) -> Chunk:
        batch = bytearray(self._header)
        batch += memoryview(self._buffer)[:size]
        _ATTRIBUTES.pack_into(batch, _ATTRIBUTES_AT, self._attributes & ~_CODEC)
        _COUNT.pack_into(batch, _LENGTH_AT, len(batch) - _LENGTH_AT - _COUNT.size)
        _COUNT.pack_into(batch, _COUNT_AT, count)
        del self._buffer[:size]
        self._left -= count
        return Chunk(bytes(batch))

    def _past_first(self) -> Iterator[Part]:
        """Read past the first record of the buffer, hash its value, and yield what stands for the record."""
        length, start = _varint(self._buffer, 0)
        head = _Head(self._buffer, start)
        key = self._buffer[head.key_start : head.key_start + head.key_size] if head.key_size >= 0 else None
        prefix = bytes(self._buffer[head.value_start : min(head.value_end, head.value_start + PREFIX_BYTES)])
        digest, position, end, unreported = sha256(), 0, start + length, 0
        while True:
            known = len(self._buffer)
            first, last = max(head.value_start - position, 0), min(head.value_end - position, known)
            if first < last:
                digest.update(memoryview(self._buffer)[first:last])
            if end - position <= known:
                break
            position += known
            self._buffer.clear()
            if not self._fill():
                raise Undecodable("it ends within a record")
            unreported += len(self._buffer)
            if unreported >= _PROGRESS_BYTES:
                yield Progress(unreported)
                unreported = 0
        del self._buffer[: end - position]
        self._left -= 1
        base, *_, first_timestamp, last_timestamp = struct.unpack_from(
            ">q", self._header
        ) + _TIMES.unpack_from(self._header, _TIMES_AT)
        append_time = bool(self._attributes & _LOG_APPEND_TIME)
        yield LargeRecord(
            offset=base + head.offset_delta,
            timestamp=last_timestamp if append_time else first_timestamp + head.timestamp_delta,
            timestamp_type=int(append_time),
            key=None if key is None or len(key) > PREFIX_BYTES else bytes(key),
            value=PartialValue(
                prefix,
                reason=DeadReason.too_large,
                detail=f"{length} bytes",
                size=max(head.value_end - head.value_start, 0) if head.complete else None,
                sha256=digest.hexdigest() if head.complete else "",
            ),
        )
        yield Progress(unreported)


class _Head:
    """The fields of a record up to its value (KIP-98). `complete` is False when the key is too large to see them."""

    def __init__(self, buffer: bytearray, start: int) -> None:
        self.timestamp_delta, position = _varint(buffer, start + 1)
        self.offset_delta, position = _varint(buffer, position)
        self.key_size, self.key_start = _varint(buffer, position)
        position = self.key_start + max(self.key_size, 0)
        self.complete = position + _MAX_VARINT_BYTES < len(buffer)
        size, self.value_start = _varint(buffer, position) if self.complete else (0, position)
        self.value_end = self.value_start + max(size, 0)


def _varint(buffer: bytearray, position: int) -> tuple[int, int]:
    """Return a zigzag varint and the position after it. A number that is not complete yet is -1."""
    value = shift = 0
    for index in range(position, min(position + _MAX_VARINT_BYTES, len(buffer))):
        byte = buffer[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), index + 1
        shift += 7
    return -1, position
