"""How much a stage holds and how long it waits; what operations tune."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageLimits:
    """Times are seconds. Memory is bounded by `max_bytes`, plus one fetch (8 MiB) a broker, plus the handler's own."""

    max_records: int = 500
    """Records in one batch."""
    max_batches: int = 4
    """Batches worked on at once; one of which most is finished no longer counts, so a slow record holds nobody up."""
    max_in_flight: int = 5_000
    """Records accepted whose batch has not ended. A partition that holds none may exceed it by one batch."""
    max_bytes: int = 64 * 1024 * 1024
    max_uncommitted: int = 50_000
    """Records of a partition that would come again after a crash; behind a slow record, no more are read."""
    max_produces: int = 4
    """Writes of one batch that may await acknowledgement at once."""
    commit_interval: float = 0.5
    commit_every: int = 5_000
    """Finished records after which a commit does not wait for the interval."""
    drain: float = 20.0
    """For running batches to end at a stop or a rebalance, before they are cancelled and come again."""
    retry_first: float = 0.2
    retry_most: float = 5.0
    """Between attempts while a dependency is away: doubled from the first to the most, with jitter."""
    stalled_after: float = 120.0
    """Without progress, while there is work and no known reason, before liveness fails."""
    silent_after: float = 30.0
    """Without an answer to any fetch, before the consumer is made anew."""
    session_timeout: float = 10.0
    """After which Kafka gives a dead worker's partitions to another."""
