"""Fills a Redis from Kafka: the tables, what was delivered and read, what was taken back, what is tried again."""

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

UNDER_WAY = "Redis is being rebuilt; if nobody does, run `tocsin rebuild` again"

Progress = Callable[[str, int, int], None]
"""Told what is read, how many records were read of it, and how many are left, about."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What was done: records read by phase, those that mean nothing by topic, and what Redis holds now."""

    read: Mapping[str, int]
    refused: Mapping[str, int]
    sums: Sequence[TableCount]


async def rebuild(parts: Parts, connection: KafkaConnection, progress: Progress) -> RebuildReport:
    """Fill Redis and mark it complete; what is there already stays. `parts` must be made for rebuilding.

    Nothing is sent meanwhile. May be ended at any time and run again. Raises Unavailable.
    """
    topics, notes = parts.topics, parts.pending_retries()
    ports = RebuildPorts(
        stores=parts.table_stores(),
        inbox=parts.inbox,
        ledger=parts.ledger,
        supersedes=parts.supersedes,
        withdrawals=parts.withdrawals,
        scores=parts.scores,
        due=parts.due,
        notes=notes,
        renderer=parts.renderer,
        clock=parts.clock,
    )
    work = Rebuilder(parts.catalogue, ports, topics)
    lanes = [topics.email(lane) for lane in Lane]
    phases: Sequence[tuple[str, Sequence[str], Callable[[Sequence[Record]], Awaitable[None]]]] = (
        ("tables", [topics.table(name) for name in TABLES if name != "preferences"], work.tables),
        ("history", [*lanes, topics.inbox, topics.outcomes], work.history),
        ("withdrawals", [topics.withdrawals], work.withdrawals),
        ("scores", [topics.soft_bounces], work.scores),
        ("due", lanes, work.due),
    )
    await parts.completeness.mark_incomplete(UNDER_WAY)
    await notes.clear()
    read = dict.fromkeys((name for name, _, _ in phases), 0)
    for name, names, step in phases:
        history = MergedReader(connection, names)
        async for batch in history.batches():
            await step(batch)
            read[name] += len(batch)
            progress(name, read[name], history.left)
    await notes.clear()
    await parts.completeness.mark_complete()
    return RebuildReport(read, work.refused, await parts.table_counts())
