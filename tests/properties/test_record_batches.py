"""Fetched batches of every codec are read like aiokafka reads them, in bounded memory whatever they expand to."""

import hashlib
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from service.model.record import PartialValue
from streams.kafka import aiokafka_patches
from streams.kafka.aiokafka_patches import BoundedPartitionRecords, PositionedRecords
from tests.support.cost_growth import assert_linear
from tests.support.record_batches import CODECS, GZIP, NONE, ZSTD, Raw, batch_bytes, batch_of

_TP = TopicPartition("events", 0)
_MIB = 1 << 20


def read(data: bytes, offset: int = 0) -> Iterator[Any]:
    """Yield fetched records, and the pauses between them."""
    return iter(
        BoundedPartitionRecords(
            _TP, PositionedRecords(data), [], offset, None, None, True, fetcher.READ_COMMITTED
        )
    )


def records_of(data: bytes, offset: int = 0) -> list[Any]:
    """Return fetched records."""
    return [record for record in read(data, offset) if record is not aiokafka_patches._PAUSE]


def fields(records: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return what is compared of records."""
    return [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in records]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(
    records=st.lists(
        st.builds(
            Raw,
            st.none() | st.binary(max_size=20),
            st.none() | st.binary(max_size=20) | st.sampled_from([b"x" * 70_000, b"\0" * 400_000]),
            st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_records_are_those_of_the_batch(codec: int, records: list[Raw]) -> None:
    """Whatever the codec and the size, each record has its offset, key, value and headers; null is not empty."""
    data = batch_bytes(records, codec, base=1000)
    theirs = BoundedPartitionRecords.__base__
    expected = theirs(_TP, MemoryRecords(data), [], 1000, None, None, True, fetcher.READ_COMMITTED)
    assert fields(records_of(data, 1000)) == fields(list(expected))
    assert [r.value for r in records_of(data, 1000)] == [r.value for r in records]
    assert [tuple(r.headers) for r in records_of(data, 1000)] == [tuple(r.headers) for r in records]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_hundred_thousand_tiny_records_come_in_slices(codec: int) -> None:
    """A batch of 100,000 records is read from any record on, and no slice is much over 1 MiB."""
    data = batch_bytes([Raw(None, b"%d" % n) for n in range(100_000)], codec)
    assert [int(r.value) for r in records_of(data)] == list(range(100_000))
    assert [r.offset for r in records_of(data, 99_990)] == list(range(99_990, 100_000))


@pytest.mark.parametrize(
    "codec", [c for c in CODECS.values() if c != NONE], ids=[n for n in CODECS if n != "none"]
)
def test_a_bomb_of_large_records_is_read_in_little_memory(codec: int) -> None:
    """Records of 1 MiB from a small batch are read one after another; good ones among them come whole."""
    good = Raw(b"k", b'{"id":"1"}', [("ce_id", b"1")])
    count = 12 if codec == 2 else 100
    data = batch_bytes([good, *[Raw(b"z", (b"\0", _MIB)) for _ in range(count)], good], codec)
    assert len(data) < _MIB
    tracemalloc.start()
    sizes = []
    try:
        for record in read(data):
            if record is not aiokafka_patches._PAUSE:
                sizes.append(len(record.value))
                assert not isinstance(record.value, PartialValue)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [len(good.value or b""), *[_MIB] * count, len(good.value or b"")]
    assert peak < 12 * _MIB


@pytest.mark.parametrize("codec", [GZIP, ZSTD], ids=["gzip", "zstd"])
def test_a_record_that_is_too_large_is_read_past(codec: int) -> None:
    """It is known by size, digest and first bytes, with its key; the records before and behind it come whole."""
    size = 200 * _MIB
    records = [Raw(b"a", b"1"), Raw(b"big", (b"x", size), [("h", b"v")]), Raw(b"c", b"3")]
    data = batch_bytes(records, codec, base=7)
    tracemalloc.start()
    try:
        first, large, last = records_of(data, 7)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (first.offset, first.value, last.offset, last.value) == (7, b"1", 9, b"3")
    assert (large.offset, large.key, large.timestamp) == (8, b"big", first.timestamp)
    assert isinstance(large.value, PartialValue)
    assert large.value == b"x" * 4096
    assert large.value.size == size
    digest = hashlib.sha256()
    for _ in range(size // _MIB):
        digest.update(b"x" * _MIB)
    assert large.value.sha256 == digest.hexdigest()
    assert peak < 4 * _MIB


def test_a_record_that_is_too_large_is_read_past_in_slices() -> None:
    """Between two slices is no more work than for 2 MiB, so that the event loop is never held up."""
    data = batch_bytes([Raw(None, (b"x", 100 * _MIB))], GZIP)
    assert sum(record is aiokafka_patches._PAUSE for record in read(data)) >= 50


@pytest.mark.parametrize("records", [[Raw(b"k" * 9 * _MIB, b"v")], [Raw(None, b"v", [("", None)] * 200_000)]])
def test_a_huge_key_and_countless_headers_are_read_past(records: list[Raw]) -> None:
    """A key over 8 MiB and 200,000 headers are not held either."""
    (large,) = records_of(batch_bytes(records, GZIP))
    assert isinstance(large.value, PartialValue)
    assert not large.headers
    assert large.key is None


def test_a_batch_that_never_ends_is_given_up() -> None:
    """Beyond 1 GiB one record stands for the rest of the batch, and the next batch is read."""
    many = batch_bytes([Raw(None, b"first"), *[Raw(None, (b"\0", 300 * _MIB)) for _ in range(5)]], ZSTD)
    behind = batch_bytes([Raw(None, b"behind")], base=6)
    started = time.process_time()
    first, *large, rest, last = records_of(many + behind)
    assert time.process_time() - started < 20
    assert (first.value, last.value, last.offset) == (b"first", b"behind", 6)
    assert [r.offset for r in large] == [1, 2, 3]
    assert isinstance(rest.value, PartialValue)
    assert (rest.offset, rest.value.last_offset, rest.value.size) == (4, 5, None)
    assert "1024 MiB" in rest.value.detail


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize(
    "body", [b"", b"not compressed at all", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd\0", b"\xff" * 64]
)
def test_a_batch_that_cannot_be_decompressed_does_not_stop_its_partition(codec: int, body: bytes) -> None:
    """One record stands for the batch, and what is behind it is read."""
    rest, behind = records_of(batch_of(body, 3, codec, base=5) + batch_bytes([Raw(None, b"good")], base=8), 5)
    assert isinstance(rest.value, PartialValue)
    assert (rest.offset, rest.value.last_offset, behind.offset, behind.value) == (5, 7, 8, b"good")


@pytest.mark.parametrize("codec", [NONE, GZIP])
@given(body=st.binary(max_size=200))
def test_bytes_that_are_no_records_do_not_stop_their_partition(codec: int, body: bytes) -> None:
    """Whatever a batch holds, its offsets are passed once, in order, and the next batch is read."""
    from tests.support.record_batches import compress

    read_ = records_of(
        batch_of(compress(codec, [body]), 4, codec) + batch_bytes([Raw(None, b"good")], base=4)
    )
    assert (read_[-1].offset, read_[-1].value) == (4, b"good")
    assert all(one.offset < other.offset for one, other in pairwise(read_))


def test_the_cost_grows_with_the_batch() -> None:
    """The work of reading grows with the batch, and no faster: over four doublings less than 2.5 times for each."""

    def batch_of(records: int) -> bytes:
        return batch_bytes([Raw(None, b"%d" % n * 20) for n in range(records)], GZIP)

    assert_linear(batch_of, records_of, size=10_000, doublings=4)
