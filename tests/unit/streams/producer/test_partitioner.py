"""The partition of a dispatch record depends on its key only (ADR 7)."""

import pytest

from streams.producer.partition_queue import partition_of


@pytest.mark.parametrize(("key", "crc32"), [(b"", 0), (b"123456789", 0xCBF43926), (b"a", 0xE8B7BE43)])
def test_the_partition_is_the_crc32_of_the_key(key: bytes, crc32: int) -> None:
    """The check value is that of CRC-32/ISO-HDLC, which librdkafka's partitioner `consistent` uses (ADR 7)."""
    assert [partition_of(key, n) for n in (1, 6, 1000)] == [0, crc32 % 6, crc32 % 1000]
