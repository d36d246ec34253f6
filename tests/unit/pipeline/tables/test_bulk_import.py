"""The feed of recipients: batches, the topic before Redis, and newer rows left alone."""

from collections.abc import Sequence

from service.model.recipient import Choice, Recipient, row_bytes
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.tables.bulk_import import ImportResult, RecipientImporter
from service.ports import LookupKeys
from tests.fakes.access import FakePublisher
from tests.fakes.clock import FakeClock
from tests.fakes.tables import FakeTables


class World:
    """A feed on fakes, which can be raced by another writer between the topic and Redis."""

    def __init__(self) -> None:
        self.tables, self.log, self.clock = FakeTables(), FakePublisher(), FakeClock()
        self.rival: Recipient | None = None
        self.feed = RecipientImporter(self.tables, self.tables, self, TopicNames("t."), self.clock)

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.log.publish(messages)
        if self.rival is not None:
            rival, self.rival = self.rival, None
            await self.tables.put_recipients([rival])

    async def row(self, name: str) -> Recipient:
        return (await self.tables.lookup(LookupKeys(recipients={name}))).recipients[name]


async def test_rows_go_to_the_topic_and_to_the_table_with_the_same_version() -> None:
    """What stands in Redis can be rebuilt from the topic."""
    world = World()

    fed = await world.feed.put([Recipient(id="a", name="A"), Recipient(id="b")])

    assert fed == ImportResult(written=2)
    assert [(m.topic, m.key) for m in world.log.messages] == [
        ("t.tables.recipients", b"a"),
        ("t.tables.recipients", b"b"),
    ]
    assert row_bytes(await world.row("a")) == world.log.messages[0].value
    assert (await world.row("a")).version == world.clock.now_ms()


async def test_the_same_rows_again_change_nothing() -> None:
    """An import may be repeated: no record is written, and preferences keep their dates."""
    world, row = World(), Recipient(id="a", preferences={"overbid:email": Choice(on=False, by="import")})
    await world.feed.put([row])
    before, count = await world.row("a"), len(world.log.messages)
    world.clock.advance(5000)

    fed = await world.feed.put([row])

    assert fed == ImportResult(unchanged=1)
    assert (await world.row("a"), len(world.log.messages)) == (before, count)


async def test_the_last_row_of_an_id_counts() -> None:
    """An id that comes twice in a batch is written once."""
    world = World()

    fed = await world.feed.put([Recipient(id="a", name="old"), Recipient(id="a", name="new")])

    assert fed == ImportResult(written=1, repeated=1)
    assert (await world.row("a")).name == "new"


async def test_a_writer_that_was_faster_stands_last_in_the_topic_too() -> None:
    """A row that is newer in Redis is written to the topic again, after the older one of the import."""
    world = World()
    world.rival = Recipient(id="a", name="rival", version=world.clock.now_ms() + 10)

    fed = await world.feed.put([Recipient(id="a", name="import")])

    assert fed == ImportResult(newer=1)
    assert (await world.row("a")).name == "rival"
    assert world.log.messages[-1].value == row_bytes(await world.row("a"))
