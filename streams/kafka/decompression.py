"""Decompression of record batches piece by piece: a small batch may hold gigabytes, and none of them is held at once.

aiokafka decompresses a batch as a whole. Here each codec of Kafka (KIP-110 for zstd, KIP-57 for LZ4) is a generator of
pieces, most of 256 KiB; the largest is one block of its format.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

import cramjam

PIECE_BYTES = 256 * 1024
_MAX_BLOCK_BYTES = 32 * 1024 * 1024
"""A snappy block that claims more is refused: 1 MiB of snappy cannot hold it."""
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""Memory that a zstd frame may demand; levels up to 19 need no more."""
_GZIP = zlib.MAX_WBITS | 16
_GZIP_INPUT_BYTES = 16 * 1024
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_LZ4_MAGIC = 0x184D2204
_LZ4_STORED = 0x80000000
_LZ4_INDEPENDENT, _LZ4_BLOCK_CHECKSUM, _LZ4_SIZE, _LZ4_DICTIONARY = 0x20, 0x10, 0x08, 0x01


class Undecodable(Exception):
    """Bytes that no codec of Kafka can have written, or that need more memory than is given to one batch."""


def none(data: memoryview) -> Iterator[bytes]:
    """Yield bytes that are not compressed."""
    for start in range(0, len(data), PIECE_BYTES):
        yield bytes(data[start : start + PIECE_BYTES])


def gzip(data: memoryview) -> Iterator[bytes]:
    """Yield what gzip has compressed (RFC 1952), of one member or of several."""
    member, begun = zlib.decompressobj(_GZIP), False
    for start in range(0, len(data), _GZIP_INPUT_BYTES):
        left = bytes(data[start : start + _GZIP_INPUT_BYTES])
        more = True
        while left or more:
            begun = True
            piece = member.decompress(left, PIECE_BYTES)
            left, more = member.unconsumed_tail, len(piece) == PIECE_BYTES
            if piece:
                yield piece
            if member.eof:
                left, more = member.unused_data, False
                member, begun = zlib.decompressobj(_GZIP), bool(left)
    if begun:
        raise Undecodable("gzip: it ends too early")


def snappy(data: memoryview) -> Iterator[bytes]:
    """Yield what snappy has compressed: blocks as the Java library frames them, or one block alone."""
    if bytes(data[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        yield _snappy_block(data)
        return
    position = _XERIAL_HEADER_BYTES
    while position < len(data):
        (length,) = struct.unpack_from(">i", data, position)
        position += 4
        if not 0 < length <= len(data) - position:
            raise Undecodable("snappy: a block ends too early")
        yield _snappy_block(data[position : position + length])
        position += length


def _snappy_block(block: memoryview) -> bytes:
    # The block says how large it becomes, and the library would allocate it, however large.
    if cramjam.snappy.decompress_raw_len(block) > _MAX_BLOCK_BYTES:
        raise Undecodable("snappy: a block is too large")
    return bytes(cramjam.snappy.decompress_raw(block))


def lz4(data: memoryview) -> Iterator[bytes]:
    """Yield what LZ4 has compressed: frames of independent blocks, which Kafka's own clients require (KIP-57)."""
    position = 0
    while position < len(data):
        magic, flags, descriptor = struct.unpack_from("<IBB", data, position)
        if magic != _LZ4_MAGIC or not flags & _LZ4_INDEPENDENT:
            raise Undecodable("LZ4: not a frame of independent blocks")
        most = 1 << (8 + 2 * (descriptor >> 4 & 7))
        position += 7 + (8 if flags & _LZ4_SIZE else 0) + (4 if flags & _LZ4_DICTIONARY else 0)
        block = bytearray(most)
        while True:
            (length,) = struct.unpack_from("<I", data, position)
            position += 4
            if length == 0:
                break
            stored, length = length & _LZ4_STORED, length & ~_LZ4_STORED
            if length > len(data) - position:
                raise Undecodable("LZ4: a block ends too early")
            source = data[position : position + length]
            if stored:
                yield bytes(source)
            else:
                size = cramjam.lz4.decompress_block_into(source, block, output_len=most)
                yield bytes(memoryview(block)[:size])
            position += length + (4 if flags & _LZ4_BLOCK_CHECKSUM else 0)
        # The checksum of the content is skipped: Kafka's batch has its own.
        position += 4 if flags & 0x04 else 0


def zstd(data: memoryview) -> Iterator[bytes]:
    """Yield what zstd has compressed (RFC 8878)."""
    import zstandard  # noqa: PLC0415  (few upstream services use it)

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    with decompressor.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


_CODECS: Mapping[int, Callable[[memoryview], Iterator[bytes]]] = {
    0: none,
    1: gzip,
    2: snappy,
    3: lz4,
    4: zstd,
}


def decompressed(codec: int, data: memoryview) -> Iterator[bytes]:
    """Yield the pieces of a batch's records. `codec` is the one of its attributes. Raise Undecodable."""
    if codec not in _CODECS:
        raise Undecodable(f"compression codec {codec} is unknown")
    try:
        yield from _CODECS[codec](data)
    except Undecodable:
        raise
    # zlib.error, struct.error, zstandard.ZstdError, cramjam.DecompressionError have no base class but Exception
    except Exception as error:
        raise Undecodable(f"{type(error).__name__} in codec {codec}") from error
