"""Where a partition is read from: its committed offset, unless the log no longer has it, or is another log. No I/O.

Each commit carries the id of its topic (KIP-516). So a topic that was deleted and made again is noticed also when the
committed offset lies within the new log: continued from there, the records before it would never be read.
"""

from enum import StrEnum
from typing import NamedTuple

from streams.kafka.cluster_view import LogBounds


class ResetReason(StrEnum):
    """Why a partition is not read from where its group was."""

    removed = "removed"
    """The log begins later: records were removed before they were read."""
    recreated = "recreated"
    """The topic was deleted and made again."""
    truncated = "truncated"
    """The log ends earlier: records that were read are gone."""


class Start(NamedTuple):
    """The offset to read from. `reason` is None where nothing is amiss; `removed` offsets are gone unread."""

    offset: int
    reason: ResetReason | None = None
    removed: int = 0


def start_of(offset: int | None, offset_topic_id: str, topic_id: str, log: LogBounds) -> Start:
    """Return where to read from. `offset` is where the group was, in the topic of that id; None: nowhere yet.

    A new group reads from the beginning. So does a group whose log was truncated: records may have been written since
    at offsets that it has seen, and what is read again has no second effect. An empty id is not known.
    """
    if offset is None:
        return Start(log.begin)
    if offset_topic_id and topic_id and offset_topic_id != topic_id:
        return Start(log.begin, ResetReason.recreated)
    if offset < log.begin:
        return Start(log.begin, ResetReason.removed, log.begin - offset)
    if offset > log.end:
        return Start(log.begin, ResetReason.truncated)
    return Start(offset)
