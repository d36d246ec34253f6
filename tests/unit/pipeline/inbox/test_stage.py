"""The inbox stage: every delivery becomes one entry, or the ledger has the reason."""

from service.model.delivery import Delivery
from service.model.ids import event_key
from service.model.record import Record
from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}}


async def delivered(*events: dict[str, object]) -> FakePipeline:
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(*(events or (EVENT,)))
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))
    return pipeline


async def test_an_entry_has_the_events_facts() -> None:
    """Type, number, meta and the event's own time."""
    pipeline = await delivered(EVENT | {"time": "2019-04-08T14:17:37Z"})

    (item,) = await pipeline.inbox.unread("alice")
    assert (item.type, item.number, item.meta, item.created_ms) == (
        "winner",
        7,
        {"lot_id": "7"},
        1_554_733_057_000,
    )
    assert (await pipeline.states("1"))["alice", "inbox"] == ("delivered", "")


async def test_delivering_again_changes_nothing() -> None:
    """Redelivered records meet the same entry, read or not."""
    pipeline = await delivered()
    (item,) = await pipeline.inbox.unread("alice")
    await pipeline.inbox.mark_read("alice", [item.id], 5)
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))

    assert await pipeline.inbox.counts("alice") == {}


async def test_an_expired_delivery_makes_no_entry() -> None:
    """An outdated notification is not shown as news."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT)
    pipeline.clock.advance(86_400_000)
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))

    assert (await pipeline.states("1"))["alice", "inbox"] == ("expired", "past_deadline")
    assert await pipeline.inbox.counts("alice") == {}


async def test_a_withdrawn_event_leaves_no_entry() -> None:
    """The ledger refuses the delivery, so the entry is removed again."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ledger.withdraw(event_key("/t", "1"), 1, 60)
    await pipeline.ingest(EVENT)
    await pipeline.run(pipeline.deliver_inbox, pipeline.records("dispatch.inbox"))

    assert (await pipeline.states("1"))["alice", "inbox"][0] == "withdrawn"
    assert await pipeline.inbox.counts("alice") == {}


async def test_a_delivery_that_cannot_be_rendered_is_dead_and_kept() -> None:
    """The rest of the batch continues."""
    broken = EVENT | {"id": "2", "data": {"lot_id": "7", "unrenderable": True}}
    pipeline = await delivered(EVENT, broken)

    assert (await pipeline.states("2"))["alice", "inbox"] == ("dead", "render_failed")
    assert (await pipeline.states("1"))["alice", "inbox"] == ("delivered", "")
    assert pipeline.reasons() == ["render_failed"]


async def test_foreign_bytes_on_the_topic_are_dead_letters() -> None:
    """A record that is no delivery stops nothing."""
    pipeline = await delivered()
    await pipeline.run(pipeline.deliver_inbox, [Record("dispatch.inbox", 0, 0, 0, b"", b"[]")])

    assert pipeline.reasons() == ["invalid_data"]


async def test_deliveries_of_a_type_that_is_not_declared_are_dead_letters() -> None:
    """They are refused together, beside a good one: to find each of them alone would delay what is behind them."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT)
    (good,) = [r for r in pipeline.records("dispatch.inbox") if r.key == b"alice"]
    one = Delivery.from_bytes(good.value)
    gone = [
        Record("dispatch.inbox", 0, n, 0, b"k", one.replace(id=f"{one.id[:-1]}{n}", type="gone").to_bytes())
        for n in range(1, 4)
    ]
    for stage in (pipeline.deliver_inbox, pipeline.deliver_email):
        pipeline.topics.pop("dispatch.dead-letter", None)
        await pipeline.run(stage, gone)
        assert pipeline.reasons() == ["unknown_type"] * 3
    await pipeline.run(pipeline.deliver_inbox, [*gone, good._replace(offset=0)])
    assert await pipeline.inbox.counts("alice") == {"winner": 1}
