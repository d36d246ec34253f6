"""A transactional outbox: events are written with what they are about, and published once that is committed.

A publish beside the commit loses the event if the process ends in between, or notifies of what was rolled back.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from tocsin_client.cloud_event import structured_bytes, to_cloud_event
from tocsin_client.errors import Reason
from tocsin_client.event import Event

Dialect = Literal["postgresql", "sqlite"]
_DDL: Mapping[Dialect, str] = {
    "postgresql": "position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event text NOT NULL, reason text",
    "sqlite": "position integer PRIMARY KEY AUTOINCREMENT, event text NOT NULL, reason text",
}
_PLACEHOLDERS: Mapping[Dialect, str] = {"postgresql": "%s", "sqlite": "?"}
_LOCKS: Mapping[Dialect, str] = {"postgresql": " FOR UPDATE SKIP LOCKED", "sqlite": ""}
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")


class Cursor(Protocol):
    """A cursor of the Python Database API (PEP 249)."""

    def execute(self, operation: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run a statement."""

    def fetchall(self) -> Sequence[Any]:
        """Return the rows."""

    def close(self) -> None:
        """Close the cursor."""


class Connection(Protocol):
    """A connection of the Python Database API (PEP 249), as of `sqlite3` or `psycopg`, not in autocommit mode."""

    def cursor(self) -> Any:
        """Return a `Cursor`."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back."""

    def close(self) -> None:
        """Close the connection."""


class Outbox:
    """A table of events that are not published yet. `table` may have a schema before it."""

    def __init__(self, dialect: Dialect, *, table: str = "tocsin_outbox") -> None:
        if not _TABLE.fullmatch(table):
            raise ValueError(f"table: {table!r} is no name")
        self._table = table
        self._placeholder = _PLACEHOLDERS[dialect]
        self._lock = _LOCKS[dialect]
        self.ddl = f"CREATE TABLE IF NOT EXISTS {table} ({_DDL[dialect]})"
        """The statement that makes the table."""

    def add(self, connection: Connection, *events: Event) -> None:
        """Write events in the connection's transaction. Raise InvalidEvent before anything is written."""
        cloud_events = [to_cloud_event(event, index) for index, event in enumerate(events)]
        statement = f"INSERT INTO {self._table} (event) VALUES ({self._placeholder})"  # noqa: S608 - a checked name
        for event in cloud_events:
            self._execute(connection, statement, structured_bytes(event).decode())

    def waiting(self, connection: Connection, limit: int) -> list[tuple[int, str]]:
        """Return position and structured JSON of the next events, locked for this transaction if the database can."""
        statement = (
            f"SELECT position, event FROM {self._table} WHERE reason IS NULL"  # noqa: S608 - a checked name
            f" ORDER BY position LIMIT {limit:d}{self._lock}"
        )
        return [(position, event) for position, event in self._execute(connection, statement, fetch=True)]

    def finish(self, connection: Connection, positions: Sequence[int], refused: Mapping[int, Reason]) -> None:
        """Delete the events at these positions, but keep those that were refused, with the reason."""
        delete = f"DELETE FROM {self._table} WHERE position = {self._placeholder}"  # noqa: S608 - a checked name
        keep = f"UPDATE {self._table} SET reason = {self._placeholder} WHERE position = {self._placeholder}"  # noqa: S608
        for position in positions:
            if position in refused:
                self._execute(connection, keep, refused[position].value, position)
            else:
                self._execute(connection, delete, position)

    @staticmethod
    def _execute(
        connection: Connection, statement: str, *parameters: object, fetch: bool = False
    ) -> Sequence[Any]:
        cursor: Cursor = connection.cursor()
        try:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if fetch else ()
        finally:
            cursor.close()
