"""Table of every topic that Tocsin owns."""

from collections.abc import Mapping
from dataclasses import dataclass

_DAY_MS = 86_400_000
_DAILY_UP_TO_DAYS = 90
_TOMBSTONE_DAYS = 7
"""How long a stage `tables` may be down without missing that a row was deleted."""
_MIB = 1_048_576
DEAD_LETTER_BYTES = 8 * _MIB
"""Enough for the largest original, also of an upstream service that raised its own limit, and our headers."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `retention_days` None: compacted, the last record of each key stays; with `compact`, for that long.

    `limit_bytes` is the size of a record batch; None: Kafka's default, 1 MiB. With `compressed` the brokers compress.
    """

    name: str
    key: str
    retention_days: int | None = None
    limit_bytes: int | None = None
    compact: bool = False
    compressed: bool = False

    def config(self) -> dict[str, str]:
        """Return the topic's settings by Kafka's names."""
        policy = "compact" if self.retention_days is None else "compact,delete" if self.compact else "delete"
        config = {"cleanup.policy": policy}
        if self.name.startswith("dispatch."):
            # The broker's clock, not the writer's: Kafka refuses what is over an hour ahead of its own (KIP-937).
            # In tables.* the time is the writer's, since it may be the row's version.
            config["message.timestamp.type"] = "LogAppendTime"
        # Kafka deletes whole segments, when their last record is old enough: a segment of one day bounds what the first
        # record outlives its retention by. Kafka's default is seven days.
        config["segment.ms"] = str(
            _DAY_MS if (self.retention_days or 0) <= _DAILY_UP_TO_DAYS else 7 * _DAY_MS
        )
        if self.retention_days is not None:
            config["retention.ms"] = str(self.retention_days * _DAY_MS)
        if "compact" in policy:
            # Without a greatest lag a deleted row stays until half of the log is superseded, which may be never.
            config["min.compaction.lag.ms"] = "0"
            config["max.compaction.lag.ms"] = str(_DAY_MS)
            config["delete.retention.ms"] = str(_TOMBSTONE_DAYS * _DAY_MS)
        if self.limit_bytes is not None:
            config["max.message.bytes"] = str(self.limit_bytes)
        if self.compressed:
            config["compression.type"] = "zstd"
        return config


TOPICS = (
    Topic("dispatch.email.high", "recipient id", 10),
    Topic("dispatch.email.normal", "recipient id", 10),
    Topic("dispatch.email.bulk", "recipient id", 10),
    Topic("dispatch.inbox", "recipient id", 90),
    Topic("dispatch.outcomes", "recipient id", 90),
    Topic("dispatch.dead-letter", "key of the original", 90, DEAD_LETTER_BYTES, compressed=True),
    Topic("dispatch.withdrawals", "event or supersede key", 90),
    Topic("dispatch.soft-bounces", "hash of the address", 56, compact=True),
    Topic("dispatch.audit", "operation id", 400),
    Topic("tables.recipients", "recipient id"),
    Topic("tables.groups", "external id and project id"),
    Topic("tables.contacts", "account and contact id"),
    Topic("tables.preferences", "recipient, type and channel"),
    Topic("tables.suppressions", "hash of the address"),
    Topic("tables.unsubscribes", "hash of recipient and type"),
    Topic("tables.accounts", "account id"),
    Topic("tables.api-keys", "key id"),
)
"""Names without `TOCSIN_KAFKA__PREFIX`."""


def limits(prefix: str) -> Mapping[str, int]:
    """Return `max.message.bytes` by full topic name, where it is not Kafka's default; for the producer."""
    return {prefix + topic.name: topic.limit_bytes for topic in TOPICS if topic.limit_bytes is not None}
