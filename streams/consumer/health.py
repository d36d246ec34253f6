"""Health of a stage, for readiness, liveness and metrics."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from service.model.worker import StageState


@dataclass(frozen=True, slots=True)
class StageHealth:
    """Health at one moment. Ages are seconds. `lag` counts unfinished records; `committed` is the next offset.

    A partition is in `lag` as soon as its position is known, also when no member of the group reads it; and in
    `committed` after its first commit. `resets` counts partitions that could not be read from where the group was, and
    `removed_unread` the offsets that their logs no longer had.
    """

    name: str
    state: StageState
    reason: str | None
    in_flight: int
    oldest_in_flight_s: float
    last_progress_s: float
    lag: Mapping[TopicPartition, int]
    committed: Mapping[TopicPartition, int]
    finished: int
    dead: int
    group: str = ""
    assigned: Sequence[TopicPartition] = ()
    """Partitions that this member reads."""
    unread: Sequence[TopicPartition] = ()
    """Partitions that no member of the group reads."""
    missing: Sequence[str] = ()
    """Topics that do not exist."""
    resets: int = 0
    removed_unread: int = 0
    oldest_unfinished_s: float = 0.0
    """By Kafka's timestamp for records in flight; for unread ones, the time for which they are known to wait."""

    @property
    def ready(self) -> bool:
        """True while the stage processes records."""
        return self.state is StageState.running


@dataclass(slots=True)
class Counters:
    """Counts since the stage was made. `progress_at` is monotonic seconds."""

    finished: int = 0
    dead: int = 0
    resets: int = 0
    removed_unread: int = 0
    progress_at: float = field(default_factory=time.monotonic)

    def progress(self, finished: int = 0) -> None:
        """Note progress, or that there is no work."""
        self.finished += finished
        self.progress_at = time.monotonic()
