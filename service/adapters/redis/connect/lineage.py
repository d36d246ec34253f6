"""The check of new connections: a server whose history is not known answers no command of a guarded store."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection

from service.adapters.redis.connect.connection import Replication
from service.ports import Unavailable
from service.ports.state_history import Lineage

UNCHECKED = "redis: another server answers; what it may lack is read again from Kafka first"
WENT_BACK = "redis: a server answers that has older data; what it lacks is read again from Kafka first"


class LineageCheck:
    """A ConnectionCheck: a server that was promoted or restarted may lack writes, until it is accepted.

    `read` returns the accepted servers, over connections without this check. Where Redis names none, the completeness
    marks alone decide: it is empty, or of a version that did not record them. A server that does not tell its
    replication id, because of access rules or a proxy, passes; the checkpoints then show what it lacks.
    """

    def __init__(self, read: Callable[[], Awaitable[Lineage | None]]) -> None:
        self._read = read
        self._accepted = Lineage(0, frozenset())
        self._reading = asyncio.Lock()

    async def __call__(self, _: AbstractConnection, replication: Replication | None) -> None:
        """Raise Unavailable for a primary that is not accepted."""
        if replication is None or replication.role != "master" or not replication.replication_id:
            return
        server = replication.replication_id
        if server in self._accepted.servers:
            return
        async with self._reading:  # many connections are made at once after a fail-over
            if server in self._accepted.servers:
                return
            lineage = await self._read()
        if lineage is None:
            return
        # An old primary that comes back names itself. It is known by its generation.
        if lineage.generation < self._accepted.generation:
            raise Unavailable(WENT_BACK)
        self._accepted = lineage
        if server not in lineage.servers:
            raise Unavailable(UNCHECKED)
