"""How far a partition may be committed: never past an unfinished record, always up to the first one."""

from collections import deque
from collections.abc import Sequence


class OffsetTracker:
    """The contiguous finished prefix of one partition, for one assignment.

    It works on the offsets that were *delivered*, in order, so holes that no record will ever fill (transaction
    markers, aborted or compacted records) need no special case. A new assignment starts a new watermark: what still
    runs from the old one then finishes into an object that nobody commits from.
    """

    __slots__ = ("_finished", "_open", "committed", "position")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self.position: int | None = None
        """The offset to commit: one past the last record of the prefix. None before anything was finished."""
        self.committed: int | None = None
        """The last `position` that Kafka is known to have."""

    def __len__(self) -> int:
        """Records from the first unfinished to the last delivered: what would come again after a crash."""
        return len(self._open)

    @property
    def unfinished(self) -> int:
        """Delivered records that are not finished."""
        return len(self._open) - len(self._finished)

    @property
    def pending(self) -> int | None:
        """The offset that a commit is owed for, None when Kafka has it already."""
        return None if self.position == self.committed else self.position

    @property
    def next(self) -> int | None:
        """The first offset that is not finished; None before anything was delivered."""
        return self._open[0] if self._open else self.position

    def deliver(self, offsets: Sequence[int]) -> None:
        """Note records as handed to the stage, in order of offset.

        Raises ValueError when they do not come after those delivered before: the partition was truncated or made anew,
        and only a new watermark can describe it.
        """
        if not offsets:
            return
        last = self._open[-1] if self._open else (self.position or 0) - 1
        if offsets[0] <= last:
            raise ValueError(f"offset {offsets[0]} came after {last}")
        self._open.extend(offsets)

    def finish(self, offset: int) -> None:
        """Note a delivered record as finished, once, and move the prefix as far as it goes."""
        waiting, finished = self._open, self._finished
        if waiting[0] != offset:
            finished.add(offset)
            return
        waiting.popleft()
        while waiting and waiting[0] in finished:
            offset = waiting.popleft()
            finished.discard(offset)
        self.position = offset + 1
