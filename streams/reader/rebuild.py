"""The rebuild of Redis from Kafka: tables, histories, inboxes and read marks, withdrawals, scores, the due set."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.bootstrap import Parts
from service.model.catalogue import Lane
from service.model.topics import TopicNames
from service.pipeline.operate.rebuild import Rebuilder, RebuildPorts
from service.ports import TableCount
from service.ports.state_history import Lineage
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import admin, kafka_errors
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
    pending_retries = parts.pending_retries()
    rebuilder = Rebuilder(
        parts.catalogue, rebuild_ports(parts), parts.topics, await finished_offsets(connection, parts.topics)
    )
    # First the marker: a stage must not run on tables that are half filled.
    await parts.completeness.mark_incomplete(UNDER_WAY)
    await pending_retries.clear()
    read: Counter[str] = Counter()
    for name, names, apply in rebuilder.phases():
        reader = MergedReader(connection, names)
        async for batch in reader.batches():
            await apply(batch)
            read[name] += len(batch)
            progress(name, read[name], reader.left)
    await pending_retries.clear()
    # Whatever these servers lacked is there now: without this, a worker would catch them up from a checkpoint.
    status = await parts.history.status()
    await parts.history.accept(Lineage.after(status.lineage, 0, status.servers, parts.clock.now_ms()))
    await parts.completeness.mark_complete()
    return RebuildReport(read, rebuilder.refused, await parts.table_counts())


def rebuild_ports(parts: Parts) -> RebuildPorts:
    """Return the ports that a rebuild writes to. `parts` must be made for rebuilding."""
    return RebuildPorts(
        stores=parts.table_stores(),
        inbox=parts.inbox,
        ledger=parts.ledger,
        restore=parts.restore,
        supersedes=parts.supersedes,
        withdrawals=parts.withdrawals,
        scores=parts.scores,
        due=parts.due,
        notes=parts.pending_retries(),
        renderer=parts.renderer,
        clock=parts.clock,
    )


async def finished_offsets(connection: KafkaConnection, topics: TopicNames) -> Mapping[tuple[str, int], int]:
    """Return by (topic, partition) up to where the stages have committed dispatch records. Raise Unavailable."""
    groups = ["inbox", *(f"email.{lane}" for lane in Lane)]
    async with kafka_errors(connection), admin(connection) as client:
        committed = [await client.list_consumer_group_offsets(f"{topics.prefix}{group}") for group in groups]
    return {(tp.topic, tp.partition): at.offset for offsets in committed for tp, at in offsets.items()}
