"""Bulk import of recipients: batches, the topic before Redis, and newer rows left alone."""

from collections.abc import Sequence

from service.model.recipient import Choice, Recipient, row_bytes
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.tables.bulk_import import ImportResult, RecipientImporter
from service.ports import LookupKeys
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import FakePublisher
from tests.fakes.tables import FakeTables


class World:
    """An importer on fakes; another writer (`rival`) can store a row between its topic and its Redis write."""

    def __init__(self) -> None:
        self.tables, self.log, self.clock = FakeTables(), FakePublisher(), FakeClock()
        self.rival: Recipient | None = None
        self.importer = RecipientImporter(self.tables, self.tables, self, TopicNames("t."), self.clock)

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.log.publish(messages)
        if self.rival is not None:
            rival, self.rival = self.rival, None
            await self.tables.put_recipients([rival])

    async def row(self, name: str) -> Recipient:
        return (await self.tables.lookup(LookupKeys(recipients={name}))).recipients[name]


async def test_rows_go_to_the_topic_and_to_the_table_with_the_same_version() -> None:
    """The stored rows can be rebuilt from the topic."""
    world = World()

    result = await world.importer.put([Recipient(id="a", name="A"), Recipient(id="b")])

    assert result == ImportResult(written=2)
    assert [(m.topic, m.key) for m in world.log.messages] == [
        ("t.tables.recipients", b"a"),
        ("t.tables.recipients", b"b"),
    ]
    assert row_bytes(await world.row("a")) == world.log.messages[0].value
    assert (await world.row("a")).version == world.clock.now_ms()


async def test_the_same_rows_again_change_nothing() -> None:
    """An import may be repeated: no record is written, and preferences keep their dates."""
    world, row = World(), Recipient(id="a", preferences={"overbid:email": Choice(on=False, by="import")})
    await world.importer.put([row])
    before, count = await world.row("a"), len(world.log.messages)
    world.clock.advance(5000)

    result = await world.importer.put([row])

    assert result == ImportResult(unchanged=1)
    assert (await world.row("a"), len(world.log.messages)) == (before, count)


async def test_the_last_row_of_an_id_counts() -> None:
    """An id that is twice in a batch is written once."""
    world = World()

    result = await world.importer.put([Recipient(id="a", name="old"), Recipient(id="a", name="new")])

    assert result == ImportResult(written=1, repeated=1)
    assert (await world.row("a")).name == "new"


async def test_the_row_of_a_faster_writer_is_the_last_in_the_topic_too() -> None:
    """A row that is newer in Redis is published again, after the older row of the import."""
    world = World()
    world.rival = Recipient(id="a", name="rival", version=world.clock.now_ms() + 10)

    result = await world.importer.put([Recipient(id="a", name="import")])

    assert result == ImportResult(newer=1)
    assert (await world.row("a")).name == "rival"
    assert world.log.messages[-1].value == row_bytes(await world.row("a"))
