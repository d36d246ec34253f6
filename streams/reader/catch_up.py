"""Catch-up: what Redis may have lost since a checkpoint is read again from Kafka."""

import asyncio

from service.bootstrap.parts import Parts
from service.ports.state_history import Positions
from streams.kafka.connection import KafkaConnection
from streams.reader.positions import KafkaPositions
from streams.reader.rebuild import apply_phases, rebuilder_of


async def read_again(parts: Parts, connection: KafkaConnection, since: Positions) -> tuple[int, Positions]:
    """Apply all records since these positions; return how many there were, and the positions when it began.

    Every phase may be repeated. `parts` must be made for rebuilding. Raise Unavailable.
    """
    async with KafkaPositions(connection, parts.topics) as positions:
        began = await positions.read(asyncio.get_running_loop().time())
    rebuilder = await rebuilder_of(parts, connection)
    read = await apply_phases(rebuilder, parts, connection, since=since, ends=positions.ends)
    return sum(read.values()), began
