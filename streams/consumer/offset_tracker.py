"""Committable offset of a partition: never past an unfinished record, always up to the first one."""

from collections import deque
from collections.abc import Sequence


class OffsetTracker:
    """The contiguous finished prefix of one partition, for one assignment.

    It works on the offsets that were *delivered*, in order, so gaps that no record will ever fill (transaction markers,
    aborted or compacted records) need no special case. A new assignment starts a new tracker: records of the old one
    that still run then finish in a tracker from which nothing is committed.
    """

    __slots__ = ("_finished", "_open", "committable", "committed")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self.committable: int | None = None
        """One past the last record of the finished prefix. None before the first record of it is finished."""
        self.committed: int | None = None
        """The last `committable` that Kafka is known to have."""

    def __len__(self) -> int:
        """Return the number of records from the first unfinished to the last delivered: read again after a crash."""
        return len(self._open)

    @property
    def unfinished(self) -> int:
        """Number of delivered records that are not finished."""
        return len(self._open) - len(self._finished)

    @property
    def uncommitted_offset(self) -> int | None:
        """The offset to commit; None when Kafka has it already."""
        return None if self.committable == self.committed else self.committable

    @property
    def first_unfinished(self) -> int | None:
        """The first offset that is not finished; None before anything was delivered."""
        return self._open[0] if self._open else self.committable

    def start(self, offset: int) -> None:
        """Note that reading starts at an offset that Kafka does not have as the committed one; it is committed too.

        Only before anything is delivered.
        """
        self.committable = offset

    def deliver(self, offsets: Sequence[int]) -> None:
        """Note records as handed to the stage, in order of offset.

        Raise ValueError when they do not come after those delivered before: the partition was truncated or recreated,
        and only a new tracker can describe it.
        """
        if not offsets:
            return
        last = self._open[-1] if self._open else (self.committable or 0) - 1
        if offsets[0] <= last:
            raise ValueError(f"offset {offsets[0]} came after {last}")
        self._open.extend(offsets)

    def finish(self, offset: int) -> None:
        """Note a delivered record as finished, once, and extend the prefix as far as it goes."""
        open_, finished = self._open, self._finished
        if open_[0] != offset:
            finished.add(offset)
            return
        open_.popleft()
        while open_ and open_[0] in finished:
            offset = open_.popleft()
            finished.discard(offset)
        self.committable = offset + 1
