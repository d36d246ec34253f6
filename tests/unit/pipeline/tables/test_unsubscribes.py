"""Unsubscribes are a table like the others: they can be rebuilt from their topic."""

import pytest

from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.record import Message, Record
from service.model.topics import TopicNames
from service.pipeline.tables.records import apply_changes, read_change
from service.pipeline.tables.writer import TableStores, TableWriter
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables

KEY = unsubscribe_key("", "alice", "overbid")


def stores() -> TableStores:
    tables = FakeTables()
    return TableStores(tables, tables, FakeAccounts(), FakeApiKeys(), tables)


async def rebuilt(messages: list[Message]) -> TableStores:
    """Return new stores, filled from the records alone."""
    target = stores()
    for offset, message in enumerate(messages):
        record = Record(message.topic, 0, offset, 1, message.key, message.value, message.headers)
        await apply_changes(target, [read_change("unsubscribes", record, FakeClock().now_ms())])
    return target


async def test_an_unsubscribe_and_its_end_come_back_from_the_topic() -> None:
    """A published unsubscribe is stored again; a revoked one is not, not even from an older record."""
    publisher, clock, first = FakePublisher(), FakeClock(), stores()
    writer = TableWriter(first, publisher, FakeRowLocks(), TopicNames(), clock)
    row = await writer.unsubscribe(KEY, "overbid", "a link")

    assert await (await rebuilt(publisher.messages)).tables.unsubscribed(KEY) == row
    assert await writer.resubscribe(KEY)
    assert not await writer.resubscribe(KEY)
    late = [*publisher.messages, publisher.messages[0]]
    assert await (await rebuilt(late)).tables.unsubscribed(KEY) is None


@pytest.mark.parametrize(
    "value", [b"{}", b'{"id": "x", "type": "y"}', b'{"id": "000000000000000000000000", "type": "y"}']
)
def test_an_invalid_row_is_refused(value: bytes) -> None:
    """Also one whose id is not its key."""
    record = Record("tables.unsubscribes", 0, 0, 1, KEY.encode(), value, ())
    with pytest.raises(ValueError):  # noqa: PT011 - InvalidEvent names the field
        read_change("unsubscribes", record, FakeClock().now_ms())
