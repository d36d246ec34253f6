"""What a worker reports of itself: its stages, the services beside them, and its relays."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from service.model.relay import RelayReport

REQUIRED_STAGES = ("resolve", "inbox", "email", "schedule", "tables")
"""The stages without which deliveries wait for ever; some worker has to run each. In the order of the pipeline."""


class StageState(StrEnum):
    """State of a stage. `paused` has a reason, loses nothing, and ends by itself.

    `incomplete`: it reads, and a topic is missing or a partition has no reader; the reason says which.
    """

    starting = "starting"
    running = "running"
    incomplete = "incomplete"
    paused = "paused"
    stopped = "stopped"


class StageReport(BaseModel):
    """A stage as one worker sees it. `stage` is the stage itself, or the stage and the lane, as `email.high`.

    `reason`: why it waits, or does not read everything. `since_ms`: since when it is in its state. `partitions`: those
    that this worker reads, by topic. `lag` counts unfinished records in them. `finished` and `dead_letters` count since
    the worker started, `recent_dead_letters` in the last ten minutes, the first of those at `dead_letters_since_ms`.
    `unread_partitions`: those that no member of the group reads.
    """

    model_config = ConfigDict(frozen=True)

    worker: str
    stage: str
    state: StageState
    reason: str = ""
    since_ms: int
    partitions: Mapping[str, tuple[int, ...]] = {}
    lag: int = 0
    in_flight: int = 0
    oldest_unfinished_s: float = 0.0
    last_progress_s: float = 0.0
    finished: int = 0
    dead_letters: int = 0
    recent_dead_letters: int = 0
    dead_letters_since_ms: int | None = None
    missing_topics: tuple[str, ...] = ()
    unread_partitions: Mapping[str, tuple[int, ...]] = {}

    @property
    def name(self) -> str:
        """Return the name of the stage in TOCSIN_WORKER__STAGES, without the lane."""
        return self.stage.partition(".")[0]


class ServiceReport(BaseModel):
    """A service beside the stages that reads no topic: the scheduler, the bounce listener, the state keeper.

    `reason`: why it waits; empty while it does not. `since_ms`: since when it does either.
    """

    model_config = ConfigDict(frozen=True)

    worker: str
    service: str
    reason: str = ""
    since_ms: int


class WorkerReport(BaseModel):
    """All that a worker reports, at one time (ms). `mode`: TOCSIN_MODE.

    `catalogue`: the fingerprint of the version of catalogue, brands and templates that it uses.
    """

    model_config = ConfigDict(frozen=True)

    worker: str
    at_ms: int
    started_ms: int
    version: str
    mode: str = ""
    catalogue: str = ""
    stages: tuple[StageReport, ...] = ()
    services: tuple[ServiceReport, ...] = ()
    relays: tuple[RelayReport, ...] = ()

    @property
    def stage_names(self) -> frozenset[str]:
        """Return the stages that it runs, as TOCSIN_WORKER__STAGES names them; with the services beside them."""
        return frozenset({one.name for one in self.stages} | {one.service for one in self.services})
