"""Writes to the tables: their order, their versions, and other writers at the same time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import orjson
import pytest

from service.model.recipient import Contact, Group, Recipient
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.tables import writer as table_writes
from service.pipeline.tables.schema import RowRefused
from service.pipeline.tables.writer import RowTooLarge, TableStores, TableWriter
from service.ports import Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables


class Feed(FakePublisher):
    """A publisher; at each of its first `times` writes another system stores a newer row."""

    def __init__(self, tables: FakeTables, times: int) -> None:
        super().__init__()
        self._tables = tables
        self._times = times

    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish(messages)
        if self._times:
            self._times -= 1
            version = orjson.loads(messages[0].value or b"")["version"] + 1000
            lists = {"fon_answered": (f"v{version}@example.com",)}
            await self._tables.put_group(Group(external_id="g", addresses=lists, version=version))


def writer(tables: FakeTables, publisher: FakePublisher, clock: FakeClock | None = None) -> TableWriter:
    stores = TableStores(tables, tables, FakeAccounts(), FakeApiKeys(), tables)
    return TableWriter(stores, publisher, FakeRowLocks(), TopicNames("x."), clock or FakeClock(5000))


def add(name: str) -> Callable[[Group], Group]:
    def change(group: Group) -> Group:
        return group.model_copy(update={"addresses": {**group.addresses, name: (f"{name}@example.com",)}})

    return change


async def test_published_before_stored() -> None:
    """A row that Kafka did not accept is not stored; the published version is the stored one."""
    tables, publisher = FakeTables(), FakePublisher()
    publisher.outage.reason = "unavailable"
    with pytest.raises(Unavailable):
        await writer(tables, publisher).group("g", "", add("fon_offer"))
    assert not tables.groups

    publisher.outage.reason = None
    row = await writer(tables, publisher).group("g", "", add("fon_offer"))

    (message,) = publisher.messages
    assert (message.topic, message.key) == ("x.tables.groups", b"g|")
    assert (
        orjson.loads(message.value or b"")["version"] == row.version == tables.groups["g", ""].version == 5000
    )


async def test_versions_grow_even_if_the_clock_does_not() -> None:
    """A clock that stops or goes back gives no version twice."""
    tables, clock = FakeTables(), FakeClock(5000)
    versions = []
    for now in (5000, 5000, 4000):
        clock.now = now
        row = await writer(tables, FakePublisher(), clock).group("g", "", add(f"t{len(versions)}"))
        versions.append(row.version)

    assert versions == [5000, 5001, 5002]


async def test_a_newer_row_of_another_system() -> None:
    """A row that another system wrote meanwhile is read again, and keeps what the change does not name."""
    tables = FakeTables()
    publisher = Feed(tables, times=2)

    row = await writer(tables, publisher).group("g", "", add("fon_offer"))

    assert row.addresses == {"fon_answered": ("v7001@example.com",), "fon_offer": ("fon_offer@example.com",)}
    assert tables.groups["g", ""] == row
    assert [orjson.loads(m.value or b"")["version"] for m in publisher.messages] == [5000, 6001, 7002]


async def test_a_row_that_is_changed_all_the_time() -> None:
    """The write is given up after some attempts, as Unavailable."""
    tables = FakeTables()

    with pytest.raises(Unavailable, match="too often"):
        await writer(tables, Feed(tables, times=100)).group("g", "", add("fon_offer"))


async def test_a_write_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write ends before its lock does."""
    monkeypatch.setattr(table_writes, "LONGEST_S", 0.02)

    class Hanging(FakePublisher):
        async def publish(self, messages: Sequence[Message]) -> None:
            await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="too long"):
        await writer(FakeTables(), Hanging()).group("g", "", add("fon_offer"))


async def test_a_row_too_large() -> None:
    """A row that Kafka would refuse is refused before anything is written."""
    publisher = FakePublisher()

    with pytest.raises(RowTooLarge):
        await writer(FakeTables(), publisher).recipient(
            "a", lambda _: Recipient(id="a", name="x" * 1_000_001)
        )

    assert not publisher.messages


async def test_an_invalid_row() -> None:
    """A rebuild could not read it back from the topic, so it is refused before anything is written."""
    publisher = FakePublisher()

    with pytest.raises(RowRefused, match="id: Must be printable"):
        await writer(FakeTables(), publisher).recipient(" a", lambda _: Recipient(id=" a"))

    assert not publisher.messages


async def test_no_change_no_record() -> None:
    """A change that changes nothing writes nothing."""
    tables, publisher = FakeTables(), FakePublisher()
    first = await writer(tables, publisher).recipient("a", lambda _: Recipient(id="a"))

    second = await writer(tables, publisher).recipient("a", lambda current: current or Recipient(id="a"))

    assert first == second
    assert len(publisher.messages) == 1


async def test_contacts_in_the_requested_order() -> None:
    """Contacts come back in the order of the change, those that did not change with their old version."""
    tables, publisher = FakeTables(), FakePublisher()
    old = Contact(uuid="b", account="acme", email="b@example.com", version=7)
    await tables.put_contacts([old])
    new = Contact(uuid="a", account="acme", email="a@example.com")

    async def change(current: Mapping[str, Contact]) -> Sequence[Contact]:
        return [*current.values(), new]

    rows = await writer(tables, publisher).change_contacts("acme", ["b"], change)

    assert [(row.uuid, row.version) for row in rows] == [("b", 7), ("a", 5000)]
    assert [m.key for m in publisher.messages] == [b"acme|a"]
