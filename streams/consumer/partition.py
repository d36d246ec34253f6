"""A partition while it is assigned to this stage: the records that wait and run, and its committable offset."""

from collections import deque
from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from service.model.record import Headers, Record
from streams.consumer.offset_tracker import OffsetTracker
from streams.kafka.record_batches import MAX_RECORD_BYTES
from streams.kafka.records import to_records

_FRAMING_BYTES = 200
"""Memory of a record without key, value and headers, roughly."""
_HEADER_BYTES = 150


def size_of(records: Sequence[Record]) -> int:
    """Return the bytes that records keep in memory, roughly."""
    return sum([_FRAMING_BYTES + len(r[4] or b"") + len(r[5] or b"") + _headers_size(r[6]) for r in records])


def _headers_size(headers: Headers) -> int:
    return sum([_HEADER_BYTES + len(name) + len(value or b"") for name, value in headers]) if headers else 0


class Partition:
    """One partition for one assignment; dropped, never reused, when it is revoked.

    `held` counts the accepted records whose batch has not ended, `held_bytes` is their size. Records of one key are
    taken into one batch after another, so they are never handled at the same time.
    """

    __slots__ = ("_busy_keys", "fetch_offset", "held", "held_bytes", "offsets", "topic_id", "waiting")

    def __init__(self) -> None:
        self.offsets = OffsetTracker()
        self.waiting: deque[Record] = deque()
        self.held = 0
        self.held_bytes = 0
        self.fetch_offset: int | None = None
        """The offset that the consumer fetches next, as of the last measurement of the lag."""
        self.topic_id = ""
        """The id of the topic that its offsets belong to; empty while it is not known."""
        self._busy_keys: dict[bytes, int] = {}

    def accept(
        self, fetched: Sequence[ConsumerRecord[bytes, bytes]], max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """Accept records, of large ones a part. Raise ValueError when their offsets go back (`OffsetTracker`)."""
        self.offsets.deliver([record.offset for record in fetched])
        records = to_records(fetched, max_record_bytes)
        self.waiting.extend(records)
        self.held += len(records)
        self.held_bytes += size_of(records)

    def take(self, limit: int, limit_bytes: int) -> list[Record]:
        """Remove and return waiting records whose keys are in no running batch, in order.

        At most `limit`, and no more once they have `limit_bytes`; one record may be larger.
        """
        taken: list[Record] = []
        waiting, busy = self.waiting, self._busy_keys
        if not busy and len(waiting) <= limit and self.held_bytes <= limit_bytes:
            taken.extend(waiting)
            waiting.clear()
        else:
            kept: list[Record] = []
            size = 0
            while waiting and len(taken) < limit and size < limit_bytes:
                record = waiting.popleft()
                if record.key in busy:
                    kept.append(record)
                else:
                    taken.append(record)
                    size += size_of((record,))
            waiting.extendleft(reversed(kept))
        for record in taken:
            if record.key is not None:
                busy[record.key] = busy.get(record.key, 0) + 1
        return taken

    def finish(self, record: Record) -> None:
        """Note a record as finished, and its key as free when it was the last of it."""
        self.offsets.finish(record.offset)
        if (key := record.key) is not None:
            if (left := self._busy_keys[key] - 1) > 0:
                self._busy_keys[key] = left
            else:
                del self._busy_keys[key]

    def release(self, records: Sequence[Record]) -> None:
        """Stop counting these records as held: their batch has ended."""
        self.held -= len(records)
        self.held_bytes -= size_of(records)
