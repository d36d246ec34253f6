"""A partition while it is assigned to this stage: what waits, what runs, and how far it may be committed."""

from collections import deque
from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from service.model.record import Record
from streams.consumer.offset_tracker import OffsetTracker

_FRAMING_BYTES = 200
"""What a record of no size costs in memory, roughly."""


def size_of(records: Sequence[Record]) -> int:
    """Bytes that records keep in memory, headers left out."""
    return sum([_FRAMING_BYTES + len(r[4] or b"") + len(r[5] or b"") for r in records])


class Partition:
    """One partition for one assignment; dropped, never reused, when it is revoked.

    `held` counts records accepted whose batch has not ended, `held_bytes` their size. Records of one key are handed
    out one batch after the other, so they are never worked on at the same time.
    """

    __slots__ = ("_busy_keys", "fetched", "held", "held_bytes", "mark", "waiting")

    def __init__(self) -> None:
        self.mark = OffsetTracker()
        self.waiting: deque[Record] = deque()
        self.held = 0
        self.held_bytes = 0
        self.fetched: int | None = None
        """Where the consumer reads next, as last seen."""
        self._busy_keys: dict[bytes, int] = {}

    def accept(self, fetched: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Take records in. Raises ValueError when their offsets go back, as `OffsetTracker.deliver` does."""
        self.mark.deliver([record.offset for record in fetched])
        new = tuple.__new__  # three times as fast as calling the class, for every record there is
        records = [
            new(Record, (r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers))
            for r in fetched
        ]
        self.waiting.extend(records)
        self.held += len(records)
        self.held_bytes += size_of(records)

    def take(self, limit: int) -> list[Record]:
        """Up to `limit` waiting records whose keys are not being worked on, in order."""
        taken: list[Record] = []
        waiting, busy = self.waiting, self._busy_keys
        if not busy and len(waiting) <= limit:
            taken.extend(waiting)
            waiting.clear()
        else:
            kept: list[Record] = []
            while waiting and len(taken) < limit:
                record = waiting.popleft()
                (kept if record.key in busy else taken).append(record)
            waiting.extendleft(reversed(kept))
        for record in taken:
            if record.key is not None:
                busy[record.key] = busy.get(record.key, 0) + 1
        return taken

    def finish(self, record: Record) -> None:
        """A record is done with, for good."""
        self.mark.finish(record.offset)
        if (key := record.key) is not None:
            if (left := self._busy_keys[key] - 1) > 0:
                self._busy_keys[key] = left
            else:
                del self._busy_keys[key]

    def release(self, records: Sequence[Record]) -> None:
        """The batch of these records has ended and no longer keeps them in memory."""
        self.held -= len(records)
        self.held_bytes -= size_of(records)
