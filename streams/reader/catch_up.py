"""Catch-up: what Redis may have lost since a checkpoint is read again from Kafka."""

import asyncio
from collections import Counter

from service.bootstrap import Parts
from service.pipeline.operate.rebuild import Rebuilder
from service.ports.state_history import Positions
from streams.kafka.connection import KafkaConnection
from streams.reader.merged_reader import MergedReader
from streams.reader.positions import KafkaPositions
from streams.reader.rebuild import finished_offsets, rebuild_ports


async def read_again(parts: Parts, connection: KafkaConnection, since: Positions) -> tuple[int, Positions]:
    """Apply all records since these positions; return how many there were, and the positions when it began.

    Every phase may be repeated. `parts` must be made for rebuilding. Raise Unavailable.
    """
    async with KafkaPositions(connection, parts.topics) as positions:
        began = await positions.read(asyncio.get_running_loop().time())
    notes = parts.pending_retries()
    rebuilder = Rebuilder(
        parts.catalogue, rebuild_ports(parts), parts.topics, await finished_offsets(connection, parts.topics)
    )
    await notes.clear()
    read: Counter[str] = Counter()
    for name, topics, apply in rebuilder.phases():
        if all(since.get(at, 0) >= end for at, end in positions.ends.items() if at[0] in topics):
            continue
        async for batch in MergedReader(connection, topics, since).batches():
            await apply(batch)
            read[name] += len(batch)
    await notes.clear()
    return sum(read.values()), began
