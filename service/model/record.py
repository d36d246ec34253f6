"""Records and messages between Kafka and the pipeline: plain values, cheap to build, since one is made a record."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.outcome import Outcome

Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """A record read from Kafka. `timestamp_ms` is milliseconds since the epoch; a value of None is a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Message(NamedTuple):
    """A record to be written. `topic` is the full name, prefix included; `key` chooses the partition.

    `about` is the object that `value` holds, for counting and tracing; it is not written.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()
    about: Outcome | Delivery | None = None


class Done(NamedTuple):
    """Records that are finished once `messages`, and all earlier ones of the batch, are acknowledged.

    Either part may be empty: messages alone keep a large fan-out bounded.
    """

    records: Sequence[Record]
    messages: Sequence[Message] = ()


Handler = Callable[[Sequence[Record]], AsyncIterator[Done]]
"""The function of a stage: a batch of records in, `Done` out. It finishes every record, in any order, or raises."""
