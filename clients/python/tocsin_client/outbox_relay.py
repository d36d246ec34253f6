"""The relay of an outbox: publishes what is committed, and deletes it once it is acknowledged."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from tocsin_client.cloud_event import read
from tocsin_client.errors import InvalidEvent, Reason
from tocsin_client.outbox import Connection, Outbox
from tocsin_client.publisher import Publisher

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class OutboxRelay:
    """Publishes the events of an outbox in their order. Several may run.

    If it ends between the acknowledgement and the commit, the same events are published again, with the same ids, which
    Tocsin delivers once. `connect` opens a connection of its own, which is used in one thread. `batch`: the most events
    that are published together. `poll_s`: how long it waits when there are none, or when they cannot be published.
    """

    def __init__(
        self,
        outbox: Outbox,
        connect: Callable[[], Connection],
        publisher: Publisher,
        *,
        batch: int = 100,
        poll_s: float = 1.0,
    ) -> None:
        self._outbox = outbox
        self._connect = connect
        self._publisher = publisher
        self._batch = batch
        self._poll_s = poll_s
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, "tocsin-outbox")

    async def run(self) -> None:
        """Publish until the task is cancelled. Faults of the database and of Tocsin are logged and waited for."""
        try:
            while True:
                try:
                    count = await self.publish_batch()
                except Exception as error:
                    log.warning("outbox_not_published: %r", error)
                    count = 0
                if not count:
                    await asyncio.sleep(self._poll_s)
        finally:
            await self.close()

    async def publish_batch(self) -> int:
        """Publish the next events; return their number, of those that are refused too.

        Raise PublishError, or the database's errors; the events stay in the outbox then.
        """
        try:
            rows = await self._in_thread(self._read)
            if rows:
                refused = await self._publish(rows)
                await self._in_thread(self._finish, [position for position, _ in rows], refused)
        except BaseException:
            await self.close()
            raise
        return len(rows)

    async def close(self) -> None:
        """Close the connection; the next batch opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._in_thread(_end, connection)

    async def _publish(self, rows: Sequence[tuple[int, str]]) -> dict[int, Reason]:
        """Publish events; return the reasons of those that are refused, by position. One does not stop the rest."""
        refused: dict[int, Reason] = {}
        waiting = list(rows)
        while waiting:
            try:
                await self._publisher.publish(*(read(event.encode()) for _, event in waiting))
                break
            except InvalidEvent as error:
                position, _ = waiting.pop(error.index)
                refused[position] = error.reason
                log.error("outbox_event_refused: position %d: %s", position, error)
        return refused

    def _read(self) -> list[tuple[int, str]]:
        if self._connection is None:
            self._connection = self._connect()
        rows = self._outbox.waiting(self._connection, self._batch)
        if not rows:
            self._connection.rollback()  # no transaction stays open while it waits
        return rows

    def _finish(self, positions: Sequence[int], refused: dict[int, Reason]) -> None:
        if self._connection is not None:
            self._outbox.finish(self._connection, positions, refused)
            self._connection.commit()

    async def _in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _end(connection: Connection) -> None:
    """Close a connection. Roll back first: a server may notice a closed one, and unlock its rows, only later."""
    try:
        with suppress(Exception):  # of a connection that is broken, each driver has its own
            connection.rollback()
    finally:
        connection.close()
