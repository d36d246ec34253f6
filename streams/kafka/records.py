"""Conversion of aiokafka's records: the only place that knows their fields."""

from collections.abc import Iterable

from aiokafka.structs import ConsumerRecord

from service.model.record import Record


def to_records(fetched: Iterable[ConsumerRecord[bytes, bytes]]) -> list[Record]:
    """Return fetched records as `Record`, in the same order."""
    new = tuple.__new__  # three times as fast as calling the class, for every record there is
    return [
        new(Record, (r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)) for r in fetched
    ]
