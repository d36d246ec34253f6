"""What a stage says about itself, for readiness, liveness and metrics."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiokafka import TopicPartition


class StageState(StrEnum):
    """`paused` has a reason, keeps everything, and ends by itself."""

    starting = "starting"
    running = "running"
    paused = "paused"
    stopped = "stopped"


@dataclass(frozen=True, slots=True)
class StageHealth:
    """Ages are seconds. `lag` counts records not finished, where it is known yet; `committed` is the next offset."""

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
    oldest_unfinished_s: float = 0.0
    """By Kafka's timestamp, of what is in its hands; of what it has not read, by how long it is known to wait."""

    @property
    def ready(self) -> bool:
        """Whether the stage does its work."""
        return self.state is StageState.running


@dataclass(slots=True)
class Counters:
    """What a stage has done since it was made. `moved_at` is monotonic seconds."""

    finished: int = 0
    dead: int = 0
    moved_at: float = field(default_factory=time.monotonic)

    def move(self, finished: int = 0) -> None:
        """There was progress, or nothing to progress with."""
        self.finished += finished
        self.moved_at = time.monotonic()
