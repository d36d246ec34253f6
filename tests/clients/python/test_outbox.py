"""The outbox on SQLite and on PostgreSQL: nothing is lost, and what is published twice has the same id."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.v1.event import CloudEvent
from tocsin_client import Event, InvalidEvent, Reason, Unavailable
from tocsin_client.outbox import Connection, Outbox
from tocsin_client.outbox_relay import OutboxRelay
from tocsin_client.testing import RecordingPublisher
from tocsin_client.types import Winner

from tests.support.postgres import is_installed, postgres
from tests.support.wait import eventually


class Database:
    """Connections to a database, and an outbox in it."""

    def __init__(self, outbox: Outbox, connect: Callable[[], Any]) -> None:
        self.outbox = outbox
        self.connect = connect
        self.connection = connect()
        self.connection.cursor().execute(outbox.ddl)
        self.connection.commit()

    def add(self, *numbers: int) -> None:
        """Add events with these ids, and commit them."""
        self.outbox.add(self.connection, *map(winner, numbers))
        self.connection.commit()

    def rows(self) -> list[tuple[int, str | None]]:
        """Return the id and the reason of what is in the outbox, by position."""
        cursor = self.connection.cursor()
        cursor.execute(f"SELECT event, reason FROM {self.outbox._table} ORDER BY position")
        rows = [
            (int(event.partition('"id": "')[2].partition('"')[0]), reason)
            for event, reason in cursor.fetchall()
        ]
        self.connection.rollback()
        return rows


def winner(number: int) -> Winner:
    return Winner(id=str(number), source="/s", recipients=["alice"], data={"lot_id": "7"})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = Database(Outbox("sqlite"), lambda: sqlite3.connect(tmp_path / "test.db"))
    elif not is_installed():
        pytest.skip("PostgreSQL is not installed")
    else:
        server = request.getfixturevalue("server")
        database = Database(Outbox("postgresql", table="public.events_out"), lambda: psycopg.connect(server))
    yield database
    database.connection.close()
    if request.param == "postgresql":
        with psycopg.connect(server) as connection:
            connection.execute("DROP TABLE public.events_out")


def ids(publisher: RecordingPublisher) -> list[int]:
    return [int(event.get_id()) for event in publisher.events if isinstance(event, CloudEvent)]


async def test_only_what_is_committed_is_published_in_its_order(database: Database) -> None:
    """The events of a transaction that was rolled back are not; the table is empty afterwards."""
    publisher = RecordingPublisher()
    relay = OutboxRelay(database.outbox, database.connect, publisher, batch=2)
    database.add(3, 1)
    database.outbox.add(database.connection, winner(9))
    database.connection.rollback()
    database.add(2)

    counts = [await relay.publish_batch() for _ in range(3)]
    await relay.close()

    assert (counts, ids(publisher), database.rows()) == ([2, 1, 0], [3, 1, 2], [])


async def test_an_invalid_event_is_refused_when_it_is_added(database: Database) -> None:
    """Together with what was to be added with it: the caller rolls back."""
    with pytest.raises(InvalidEvent) as refused:
        database.outbox.add(database.connection, winner(1), Winner(source="/s", recipients=["a"], data={}))  # type: ignore[typeddict-item]

    assert (refused.value.reason, refused.value.index) == (Reason.invalid_data, 1)
    assert not database.rows()


async def test_what_was_not_deleted_is_published_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end between the acknowledgement and the commit: the same ids, and nothing is lost."""
    publisher = RecordingPublisher()
    relay = OutboxRelay(database.outbox, database.connect, publisher)
    database.add(1, 2)

    def fail(*_: object) -> None:
        raise ConnectionError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(relay, "_finish", fail)
        with pytest.raises(ConnectionError):
            await relay.publish_batch()
    await relay.publish_batch()
    await relay.close()

    assert (ids(publisher), database.rows()) == ([1, 2, 1, 2], [])


class Refusing(RecordingPublisher):
    """Refuses the events with these ids, as an API that does not know their type."""

    refused = frozenset({"2", "4"})

    async def publish(self, *events: Event | BaseCloudEvent) -> None:
        for index, event in enumerate(events):
            if isinstance(event, CloudEvent) and event.get_id() in self.refused:
                raise InvalidEvent(Reason.unknown_type, "winner", index)
        await super().publish(*events)


async def test_a_refused_event_does_not_stop_the_rest(database: Database) -> None:
    """It stays in the table with the reason, and is not published again."""
    publisher = Refusing()
    relay = OutboxRelay(database.outbox, database.connect, publisher)
    database.add(1, 2, 3, 4)

    counts = [await relay.publish_batch() for _ in range(2)]
    await relay.close()

    assert (counts, ids(publisher)) == ([4, 0], [1, 3])
    assert database.rows() == [(2, "unknown_type"), (4, "unknown_type")]


async def test_it_waits_until_events_can_be_published(database: Database) -> None:
    """A fault of Tocsin or of the database is waited for; the events stay."""
    publisher = RecordingPublisher()
    publisher.fail_with(Unavailable("not now"))
    attempts = iter((_unavailable, database.connect, database.connect))

    def connect() -> Connection:
        attempt: Callable[[], Connection] = next(attempts)
        return attempt()

    relay = OutboxRelay(database.outbox, connect, publisher, poll_s=0.001)
    database.add(1)
    running = asyncio.create_task(relay.run())

    await eventually(lambda: ids(publisher) == [1])
    await eventually(lambda: not database.rows())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


def _unavailable() -> Connection:
    raise ConnectionError("the database is not there")


class Slow(RecordingPublisher):
    """Acknowledges nothing until `acknowledge` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledge = asyncio.Event()
        self.publishing = asyncio.Event()

    async def publish(self, *events: Event | BaseCloudEvent) -> None:
        self.publishing.set()
        await self.acknowledge.wait()
        await super().publish(*events)


async def test_two_relays_lose_nothing(database: Database, request: pytest.FixtureRequest) -> None:
    """On PostgreSQL each publishes what the other does not; on SQLite what both publish has the same id."""
    slow, fast = Slow(), RecordingPublisher()
    first = OutboxRelay(database.outbox, database.connect, slow, batch=2)
    second = OutboxRelay(database.outbox, database.connect, fast, batch=2)
    database.add(1, 2, 3)

    publishing = asyncio.create_task(first.publish_batch())
    await slow.publishing.wait()
    while await second.publish_batch():
        pass
    slow.acknowledge.set()
    await publishing
    await asyncio.gather(first.close(), second.close())

    assert ids(slow) == [1, 2]
    assert ids(fast) == ([3] if "postgresql" in request.node.name else [1, 2, 3])
    assert not database.rows()


async def test_a_relay_that_is_cancelled_gives_its_rows_back(database: Database) -> None:
    """They are not locked any more: another relay publishes them."""
    slow, other = Slow(), RecordingPublisher()
    database.add(1)
    running = asyncio.create_task(OutboxRelay(database.outbox, database.connect, slow).run())
    await slow.publishing.wait()

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    relay = OutboxRelay(database.outbox, database.connect, other)
    await relay.publish_batch()
    await relay.close()

    assert (ids(slow), ids(other)) == ([], [1])


@pytest.mark.parametrize("table", ["", "a b", "a;DROP TABLE x", "a.b.c", "1a"])
def test_a_table_has_a_name(table: str) -> None:
    """It is written into the statements."""
    with pytest.raises(ValueError, match="table"):
        Outbox("sqlite", table=table)
