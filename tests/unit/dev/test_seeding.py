"""The development seeds."""

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.dev.seeding import seed
from service.model.record import Record
from service.model.topics import TABLES, TopicNames
from service.pipeline.tables.records import read_change
from service.pipeline.tables.writer import TableStores, TableWriter
from service.settings import templates_directory
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables


@pytest.mark.exhaustive
async def test_every_seeded_row_can_be_read_back() -> None:
    """The records of the seeds are readable, as a rebuild needs; a second start writes nothing."""
    tables, publisher, topics = FakeTables(), FakePublisher(), TopicNames("x.")
    stores = TableStores(tables, tables, FakeAccounts(), FakeApiKeys(), tables)
    writer = TableWriter(stores, publisher, FakeRowLocks(), topics, FakeClock(5000))
    catalogue = load_catalogue(templates_directory())

    assert await seed(writer, catalogue)

    names = {topics.table(name): name for name in TABLES}
    rows = [
        read_change(names[m.topic], Record(m.topic, 0, 0, 1, m.key, m.value), 1) for m in publisher.messages
    ]
    assert {row.table for row in rows} == {"recipients", "groups", "accounts", "contacts"}
    assert not await seed(writer, catalogue)
