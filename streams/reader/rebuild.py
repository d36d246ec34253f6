"""The rebuild of Redis from Kafka: tables, histories, inboxes and read marks, withdrawals, scores, the due set."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.bootstrap.parts import Parts
from service.pipeline.rebuild.rebuilder import Rebuilder, RebuildPorts
from service.ports import REBUILDING, TableCount
from service.ports.state_history import Lineage, Positions
from streams.kafka.connection import KafkaConnection
from streams.reader.merged_reader import BEGINNING, MergedReader
from streams.reader.positions import finished_offsets

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
    rebuilder = await rebuilder_of(parts, connection)
    # First the marker: a stage must not run on tables that are half filled.
    await parts.completeness.mark_incomplete(REBUILDING)
    read = await apply_phases(rebuilder, parts, connection, progress=progress)
    # Whatever these servers lacked is there now: without this, a worker would catch them up from a checkpoint.
    status = await parts.history.status()
    await parts.history.accept(Lineage.after(status.lineage, 0, status.servers, parts.clock.now_ms()))
    await parts.completeness.mark_complete()
    return RebuildReport(read, rebuilder.refused, await parts.table_counts())


async def rebuilder_of(parts: Parts, connection: KafkaConnection) -> Rebuilder:
    """Return the writer of Kafka's records to Redis. Raise Unavailable."""
    committed = await finished_offsets(connection, parts.topics)
    return Rebuilder(parts.catalogue, _ports(parts), parts.topics, committed)


async def apply_phases(
    rebuilder: Rebuilder,
    parts: Parts,
    connection: KafkaConnection,
    *,
    since: Positions = BEGINNING,
    ends: Positions | None = None,
    progress: Progress = lambda *_: None,
) -> Counter[str]:
    """Apply the records after these positions, phase by phase; return how many each phase had. Raise Unavailable.

    `ends`: where the partitions end; a phase that has nothing to read until there is left out.
    """
    pending_retries = parts.pending_retries()
    await pending_retries.clear()
    read: Counter[str] = Counter()
    for name, topics, apply in rebuilder.phases():
        if ends is not None and all(since.get(at, 0) >= end for at, end in ends.items() if at[0] in topics):
            continue
        reader = MergedReader(connection, topics, since)
        async for batch in reader.batches():
            await apply(batch)
            read[name] += len(batch)
            progress(name, read[name], reader.left)
    await pending_retries.clear()
    return read


def _ports(parts: Parts) -> RebuildPorts:
    return RebuildPorts(
        stores=parts.table_stores(),
        inbox=parts.inbox,
        ledger=parts.ledger,
        restore=parts.restore,
        supersedes=parts.supersedes,
        withdrawals=parts.withdrawals,
        scores=parts.scores,
        due=parts.due,
        windows=parts.digest_windows,
        allowances=parts.allowances,
        notes=parts.pending_retries(),
        renderer=parts.renderer,
        clock=parts.clock,
    )
