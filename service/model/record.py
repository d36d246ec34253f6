"""Records and messages between Kafka and the pipeline: plain values, cheap to build, since one is made a record."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.outcome import Outcome
from service.model.reasons import DeadReason

Headers = Sequence[tuple[str, bytes | None]]
"""Header names may repeat; a value may be null, which is not the same as empty."""


class PartialValue(bytes):
    """The first bytes of a value that was too large to be read, and what is known of the rest.

    `size` is the number of bytes of the whole value, and `sha256` their digest in hexadecimal; None and "" where the
    batch could not be read so far. `last_offset` is the last record that it stands for, where it stands for several.
    """

    reason: DeadReason
    size: int | None
    sha256: str
    detail: str
    last_offset: int | None

    def __new__(
        cls,
        prefix: bytes = b"",
        *,
        reason: DeadReason,
        detail: str,
        size: int | None = None,
        sha256: str = "",
        last_offset: int | None = None,
    ) -> "PartialValue":
        """Make one from the first bytes."""
        value = super().__new__(cls, prefix)
        value.reason = reason
        value.size, value.sha256, value.detail, value.last_offset = size, sha256, detail, last_offset
        return value


class Record(NamedTuple):
    """A record read from Kafka. `timestamp_ms` is milliseconds since the epoch; a value of None is a tombstone.

    The value of a record that is too large to be read is a PartialValue. No handler receives it.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Message(NamedTuple):
    """A record to be written. `topic` is the full name, prefix included; `key` chooses the partition.

    `key` and header values may be null, as those of the record that it passes on. `about` is the object that `value`
    holds, for counting and tracing; it is not written.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    about: Outcome | Delivery | None = None


class Done(NamedTuple):
    """Records that are finished once `messages`, and all earlier ones of the batch, are acknowledged.

    Either part may be empty: messages alone keep a large fan-out bounded. `then` is awaited after the acknowledgement
    and before the records are finished: it saves how far a large record has come, so that another worker continues.
    """

    records: Sequence[Record]
    messages: Sequence[Message] = ()
    then: Callable[[], Awaitable[None]] | None = None


Handler = Callable[[Sequence[Record]], AsyncIterator[Done]]
"""The function of a stage: a batch of records in, `Done` out. It finishes every record, in any order, or raises."""
