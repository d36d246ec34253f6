"""Conversion of aiokafka's records: the only place that knows their fields."""

from collections.abc import Iterable
from hashlib import sha256

from aiokafka.structs import ConsumerRecord

from service.model.reasons import DeadReason
from service.model.record import PartialValue, Record
from streams.kafka.record_batches import MAX_RECORD_BYTES, PREFIX_BYTES


def to_records(
    fetched: Iterable[ConsumerRecord[bytes, bytes]], max_bytes: int = MAX_RECORD_BYTES
) -> list[Record]:
    """Return fetched records as `Record`, in the same order; of a value over `max_bytes` only a part is kept."""
    new = tuple.__new__  # three times as fast as calling the class, for every record there is
    return [
        new(
            Record,
            (
                r.topic,
                r.partition,
                r.offset,
                r.timestamp,
                r.key,
                r.value if r.serialized_value_size <= max_bytes else _part(r.value),
                r.headers,
            ),
        )
        for r in fetched
    ]


def _part(value: bytes) -> PartialValue:
    if isinstance(value, PartialValue):
        return value
    return PartialValue(
        value[:PREFIX_BYTES],
        reason=DeadReason.too_large,
        detail=f"{len(value)} bytes",
        size=len(value),
        sha256=sha256(value).hexdigest(),
    )
