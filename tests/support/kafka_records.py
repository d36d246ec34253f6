"""Records as aiokafka's consumer returns them, without a broker."""

from collections.abc import Iterable

from aiokafka.structs import ConsumerRecord

_NOW_MS = 1_800_000_000_000


def consumer_records(
    topic: str, partition: int, offsets: Iterable[int], key: bytes | None = None, value: bytes = b"v"
) -> list[ConsumerRecord[bytes, bytes]]:
    """Return records at these offsets; without `key` each has a key of its own."""
    return [
        ConsumerRecord(topic, partition, o, _NOW_MS, 0, key or b"key-%d" % o, value, None, 0, len(value), ())
        for o in offsets
    ]
