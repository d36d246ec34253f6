"""Record batches of bytes, as careless or hostile producers compress them, made piece by piece."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cramjam
import zstandard
from aiokafka import AIOKafkaProducer
from aiokafka.record._crecords.cutil import crc32c_cython

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
_HEADER = struct.Struct(">qiibIhiqqqhii")
_BLOCK = 32 * 1024


class Raw(NamedTuple):
    """One record. A value of (byte, count) is that byte so often, without being made."""

    key: bytes | None
    value: bytes | tuple[bytes, int] | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def varint(number: int) -> bytes:
    """Return a zigzag varint."""
    left, out = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record_bytes(delta: int, record: Raw) -> Iterator[bytes]:
    """Yield the bytes of one record (KIP-98)."""
    value = record.value
    head = b"\0" + varint(0) + varint(delta) + _sized(record.key)
    head += varint(value[1]) if isinstance(value, tuple) else _sized(value)
    tail = varint(len(record.headers))
    tail += b"".join(_sized(name.encode()) + _sized(content) for name, content in record.headers)
    size = len(head) + len(tail) + (value[1] if isinstance(value, tuple) else 0)
    yield varint(size) + head
    if isinstance(value, tuple):
        byte, count = value
        for start in range(0, count, 1 << 20):
            yield byte * min(1 << 20, count - start)
    yield tail


def compress(codec: int, pieces: Iterable[bytes]) -> bytes:
    """Return the pieces as a producer compresses them."""
    if codec == GZIP:
        gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join([gzip.compress(piece) for piece in pieces]) + gzip.flush()
    if codec == ZSTD:
        zstd = zstandard.ZstdCompressor(level=3).compressobj()
        return b"".join([zstd.compress(piece) for piece in pieces]) + zstd.flush()
    if codec == LZ4:
        lz4 = cramjam.lz4.Compressor(level=4, content_checksum=False, block_linked=False)
        for piece in pieces:
            lz4.compress(piece)
        return bytes(lz4.finish())
    data = b"".join(pieces)
    if codec == SNAPPY:
        blocks = [
            bytes(cramjam.snappy.compress_raw(data[i : i + _BLOCK])) for i in range(0, len(data), _BLOCK)
        ]
        head = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
        return head + b"".join(struct.pack(">i", len(block)) + block for block in blocks)
    return data


def batch_bytes(
    records: Sequence[Raw], codec: int = NONE, *, base: int = 0, timestamp_ms: int = 1_700_000_000_000
) -> bytes:
    """Return a batch (magic 2) as it is sent to a broker."""
    pieces = (piece for delta, record in enumerate(records) for piece in record_bytes(delta, record))
    return batch_of(compress(codec, pieces), len(records), codec, base=base, timestamp_ms=timestamp_ms)


def batch_of(
    body: bytes, count: int, codec: int = NONE, *, base: int = 0, timestamp_ms: int = 1_700_000_000_000
) -> bytes:
    """Return a batch with this body, which holds so many records."""
    length = _HEADER.size - 12 + len(body)
    fields = (codec, count - 1, timestamp_ms, timestamp_ms, -1, -1, -1, count)
    checked = _HEADER.pack(base, length, 0, 2, 0, *fields)[21:] + body
    return _HEADER.pack(base, length, 0, 2, crc32c_cython(checked), *fields)[:21] + checked


async def send_batch(bootstrap: str, topic: str, partition: int, batch: bytes) -> int:
    """Write a batch as it is; return the offset of its first record."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        builder = producer.create_batch()
        builder.append(timestamp=None, key=None, value=b"")
        builder.close()
        builder._buffer = batch
        (count,) = struct.unpack_from(">i", batch, 57)
        builder._relative_offset = count
        sent = await producer.send_batch(builder, topic, partition=partition)
        return int((await sent).offset)
    finally:
        await producer.stop()
