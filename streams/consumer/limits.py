"""Bounds of a stage: how much it holds, and how long it waits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageLimits:
    """Bounds of one stage.

    Memory: `max_bytes`; what was fetched, as Kafka keeps it: 8 MiB for each broker, and at most one record batch for
    each partition that is not read further now; and what the handler makes of its batches.
    """

    max_records: int = 500
    """Records in one batch."""
    max_batch_bytes: int = 2 * 1024 * 1024
    """Bytes of those records, after which no more is added: a handler may need twenty times as much."""
    max_batches: int = 4
    """Batches at once. One that is nearly done does not count, so a slow record does not keep the others waiting."""
    max_in_flight: int = 5_000
    """Records accepted whose batch has not ended. A partition that holds none may exceed it by one batch."""
    max_record_bytes: int = 8 * 1024 * 1024
    """Bytes of a value; a larger one is not held, and its record goes to the dead letters."""
    max_bytes: int = 32 * 1024 * 1024
    """Bytes of those records."""
    max_uncommitted: int = 50_000
    """Records of a partition that would be read again after a crash; behind a slow record, no more are read."""
    max_produces: int = 4
    """Writes of one batch that may await acknowledgement at once."""
    commit_interval_s: float = 0.5
    commit_every: int = 5_000
    """Finished records after which a commit does not wait for the interval."""
    drain_s: float = 20.0
    """Drain timeout: for running batches to end at a stop. Then they are cancelled, and their records read again."""
    rebalance_drain_s: float = 20.0
    """The same at a rebalance, if it is shorter: all members of the group wait for it."""
    retry_first_s: float = 0.2
    retry_most_s: float = 5.0
    """Between attempts while a dependency is unavailable: doubled from the first to the most, with jitter."""
    stalled_after_s: float = 120.0
    """Without progress, with work and without a known reason, until liveness fails."""
    silent_after_s: float = 30.0
    """Without an answer to any fetch, or without an accepted commit, until the consumer is replaced."""
    session_timeout_s: float = 10.0
    """Without a heartbeat, until Kafka gives a worker's partitions to another."""
