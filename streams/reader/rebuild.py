"""The rebuild of Redis from Kafka: tables, deliveries, inboxes and read marks, withdrawals, scores, the due set."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from service.bootstrap import Parts
from service.model.catalogue import Lane
from service.model.record import Record
from service.model.topics import TABLES
from service.pipeline.operate.rebuild import Rebuilder, RebuildPorts
from service.ports import TableCount
from streams.kafka.connection import KafkaConnection
from streams.reader.merged_reader import MergedReader

UNDER_WAY = "Redis is being rebuilt; if no rebuild is running, run `tocsin rebuild` again"

Progress = Callable[[str, int, int], None]
"""Called with the phase, the records read in it, and roughly how many are left."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The result of a rebuild: records read by phase, invalid records by topic, and the counts of the tables now."""

    read: Mapping[str, int]
    refused: Mapping[str, int]
    sums: Sequence[TableCount]


async def rebuild(parts: Parts, connection: KafkaConnection, progress: Progress) -> RebuildReport:
    """Fill Redis and mark it complete. Rows that are there stay. `parts` must be made for rebuilding.

    Nothing is sent while it runs. It may be killed at any time and run again. Raise Unavailable.
    """
    topics, pending_retries = parts.topics, parts.pending_retries()
    ports = RebuildPorts(
        stores=parts.table_stores(),
        inbox=parts.inbox,
        ledger=parts.ledger,
        supersedes=parts.supersedes,
        withdrawals=parts.withdrawals,
        scores=parts.scores,
        due=parts.due,
        notes=pending_retries,
        renderer=parts.renderer,
        clock=parts.clock,
    )
    rebuilder = Rebuilder(parts.catalogue, ports, topics)
    lanes = [topics.email(lane) for lane in Lane]
    phases: Sequence[tuple[str, Sequence[str], Callable[[Sequence[Record]], Awaitable[None]]]] = (
        ("tables", [topics.table(name) for name in TABLES if name != "preferences"], rebuilder.tables),
        ("history", [*lanes, topics.inbox, topics.outcomes], rebuilder.history),
        ("withdrawals", [topics.withdrawals], rebuilder.withdrawals),
        ("scores", [topics.soft_bounces], rebuilder.scores),
        ("due", lanes, rebuilder.due),
    )
    # First the marker: a stage must not run on tables that are half filled.
    await parts.completeness.mark_incomplete(UNDER_WAY)
    await pending_retries.clear()
    read = dict.fromkeys((name for name, _, _ in phases), 0)
    for name, names, step in phases:
        reader = MergedReader(connection, names)
        async for batch in reader.batches():
            await step(batch)
            read[name] += len(batch)
            progress(name, read[name], reader.left)
    await pending_retries.clear()
    await parts.completeness.mark_complete()
    return RebuildReport(read, rebuilder.refused, await parts.table_counts())
