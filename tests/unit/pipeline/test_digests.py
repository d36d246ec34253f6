"""Digests are deliveries of a type that the catalogue has for no event: what reads records and entries knows it."""

import pytest

from service.model.blocks.suppression import suppression
from service.model.catalogue import DIGEST, DIGEST_TYPE, AudienceRule, Catalogue, DigestRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.holds.digest import digest_of
from service.model.ids import address_pseudonym, delivery_id, event_key
from service.model.ledger import NewEntry, ReplayKind, State, Transition
from service.model.operation import OperationKind
from service.model.reasons import Reason
from service.model.recipient import Choice, Recipient, preference_key
from service.model.record import Record
from service.model.topics import TopicNames
from service.pipeline.delivery_batch import DeliveryBatch
from service.pipeline.from_log import event_of
from service.pipeline.holds import HeldDelivery, Holds
from service.pipeline.lost_deliveries import LostDeliveries
from service.pipeline.messages import outcome_message
from service.pipeline.operate.audit_log import OperationLog
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.replay import LatestOutcome, PlannedReplay, Replayer
from service.pipeline.resolve.precedence import Decision
from service.pipeline.resolve.read import IncomingEvent
from service.ports import EventHead, MailAllowance, Unavailable
from tests.support.catalogues import small_catalogue
from tests.support.fake_pipeline import TOPICS, FakePipeline
from tests.unit.pipeline.operate.test_rebuild import NOW, Rig

DAY_MS = 86_400_000


def digest(now_ms: int, **changes: object) -> Delivery:
    """Return the digest that an overbid for Alice opens."""
    event = event_key("/t", "1")
    first = Delivery(
        id=delivery_id(event, "alice", Channel.email), event=event, event_id="1", source="/t", type="overbid",
        channel=Channel.email, recipient="alice", rule=AudienceRule.users, created_ms=now_ms, received_ms=now_ms,
        deadline_ms=now_ms + DAY_MS, address="alice@example.com",
    )  # fmt: skip
    return digest_of(first.replace(**changes), "bids", now_ms)


async def entered(**changes: object) -> tuple[FakePipeline, Delivery]:
    """Return a pipeline whose ledger has a digest, queued."""
    pipeline = FakePipeline()
    await pipeline.seed()
    one, now_ms = digest(pipeline.clock.now_ms(), **changes), pipeline.clock.now_ms()
    entry = NewEntry(
        one.event,
        one.id,
        one.recipient,
        "email",
        State.queued,
        Reason.none,
        now_ms,
        "",
        one.rule,
        one.matched,
    )
    await pipeline.ledger.open([EventHead(event_of(one), DIGEST_TYPE.kept_s)], [entry])
    return pipeline, one


def test_the_type_of_a_digest() -> None:
    """It is found for deliveries and for no event."""
    catalogue = small_catalogue()
    assert catalogue.of_delivery(DIGEST) is DIGEST_TYPE
    assert catalogue.of_delivery("overbid") is catalogue.get("overbid")
    assert catalogue.of_delivery("unknown") is None
    assert catalogue.get(DIGEST) is None
    assert DIGEST not in catalogue


async def test_a_record_of_a_digest_is_no_dead_letter() -> None:
    """The email stage reads it."""
    record = Record(TOPICS.email(Lane.normal), 0, 0, NOW, b"alice", digest(NOW).to_bytes())
    batch = await DeliveryBatch.read([record], small_catalogue(), "dispatch.dead-letter", "email")
    assert [one.type for one in batch.deliveries.values()] == [DIGEST]
    assert not batch.refused.messages


@pytest.mark.parametrize(("days", "state"), [(0, State.queued), (8, State.queued), (10, None)])
async def test_a_digest_whose_entry_was_lost(days: int, state: State | None) -> None:
    """It is entered again while the ledger would keep it: nine days from its opening."""
    pipeline = FakePipeline()
    lost = LostDeliveries(pipeline.catalogue, pipeline.ledger, pipeline.clock)
    one = digest(pipeline.clock.now_ms())
    pipeline.clock.advance(days * DAY_MS)
    results = await pipeline.ledger.transition(
        [Transition(one.event, one.id, State.sending, Reason.none, pipeline.clock.now_ms())]
    )
    assert await lost.enter_missing([one], results) == {0: state}


async def test_a_rebuild_enters_a_digest() -> None:
    """From its record, with the event of its own."""
    rig = Rig()
    one = digest(NOW - 8 * DAY_MS, deadline_ms=NOW + DAY_MS)
    await rig.run([Record("dispatch.email.normal", 0, 0, NOW - 8 * DAY_MS, b"alice", one.to_bytes())])
    entry = await rig.ledger.entry(one.event, one.id)
    assert entry is not None
    head = await rig.ledger.head(one.event)
    assert head is not None
    assert head["type"] == DIGEST


async def test_a_rebuild_keeps_the_first_step_of_a_digest() -> None:
    """A digest is entered as held, with its group: its record says of no step before that (ADR 16)."""
    rig = Rig()
    one = digest(NOW)
    opening = Transition(one.event, one.id, State.held, Reason.digest, NOW, detail="bids|hourly")
    await rig.run(
        [
            Record("dispatch.outcomes", 0, 0, NOW, b"alice", outcome_message(TOPICS, one, opening).value),
            Record("dispatch.email.normal", 0, 0, NOW, b"alice", one.to_bytes()),
        ]
    )
    entry = await rig.ledger.entry(one.event, one.id)
    assert entry is not None
    assert [(step.state, step.detail) for step in entry.steps] == [(State.held, "bids|hourly")]


def test_events_are_kept_for_as_long_as_a_digest_waits() -> None:
    """The ledger keeps an event of a type with digests longer than the retention of the type."""
    types = {one.name: one for one in small_catalogue()}
    plain = types["winner"]
    digested = plain.model_copy(update={"digest": DigestRule()})
    for declared, kept_s in ((plain, plain.retention_s), (digested, DIGEST_TYPE.retention_s)):
        catalogue = Catalogue(types | {"winner": declared})
        event = event_of(digest(NOW).replace(type="winner"))
        record = Record("events", 0, 0, NOW, b"", b"")
        assert IncomingEvent(event, catalogue["winner"], record=record).head.retention_s == kept_s


async def test_explain_shows_a_digest() -> None:
    """Its deliveries with what stops their mail, and no audience: it has none of its own."""
    pipeline, one = await entered()
    await pipeline.tables.put_suppression(
        *suppression("alice@example.com", Reason.mailbox_unknown, pipeline.clock.now_ms(), "")
    )
    (event,) = (await pipeline.explain(ExplainQuery(one.event)))["events"]
    assert event["audience"] == event["not_made"] == []
    assert event["event"]["type"] == DIGEST
    (delivery,) = event["deliveries"]
    assert (delivery["delivery"], delivery["state"]) == (one.id, "queued")
    assert delivery["stopped"]["suppressed"]["reason"] == "mailbox_unknown"


async def test_explain_shows_what_stops_the_digest_of_a_listed_address() -> None:
    """Whatever type the group lists the address for."""
    address = "billing@example.com"
    pipeline, one = await entered(
        rule=AudienceRule.group, matched="12345|", recipient=address_pseudonym(address), address=address
    )
    await pipeline.tables.put_suppression(
        *suppression(address, Reason.mailbox_unknown, pipeline.clock.now_ms(), "")
    )
    (event,) = (await pipeline.explain(ExplainQuery(one.event)))["events"]
    assert event["deliveries"][0]["stopped"]["suppressed"]["reason"] == "mailbox_unknown"


async def test_a_digest_is_not_replayed() -> None:
    """Its items are: it is counted in words of its own."""
    pipeline, one = await entered()
    replayer = Replayer(
        pipeline.catalogue,
        pipeline.ledger,
        pipeline.due,
        pipeline,
        topics=TopicNames(""),
        clock=pipeline.clock,
    )
    log = OperationLog(
        pipeline, TOPICS.audit, pipeline.clock, operator="ops", kind=OperationKind.replay, filters={}
    )
    planned = [PlannedReplay(one, LatestOutcome(State.bounced, Reason.mailbox_unknown, "email", 1))]
    assert dict(await replayer(planned, ReplayKind.missed, log)) == {
        "digests, whose items can be replayed": 1
    }


def _held(pipeline: FakePipeline, number: int) -> HeldDelivery:
    """Return an item of Alice's weekly digest that is due in a week."""
    now_ms = pipeline.clock.now_ms()
    event = event_key("/t", f"news-{number}")
    item = digest(now_ms).replace(
        id=delivery_id(event, "alice", Channel.email),
        event=event,
        event_id=f"news-{number}",
        type="weekly_news",
    )
    decision = Decision(State.held, Reason.digest, "", now_ms + 7 * DAY_MS, "news|weekly")
    return HeldDelivery(item, decision)


async def test_a_window_whose_worker_died_is_completed_by_its_next_item() -> None:
    """The item that opened it may have ended meanwhile: the others are not held for ever."""
    pipeline = FakePipeline()
    holds = Holds(pipeline.due, pipeline.windows, pipeline.ledger, TOPICS, pipeline.clock)
    first, second, third = (_held(pipeline, number) for number in (1, 2, 3))
    pipeline.due.outage.reason = "redis: unavailable"
    with pytest.raises(Unavailable):
        await holds.store([first])
    pipeline.due.outage.reason = None
    assert await pipeline.due.count() == 0

    pipeline.clock.advance(1000)
    stored = await holds.store([second])
    (decision,) = stored.decisions
    one = digest_of(first.delivery, "news", first.delivery.received_ms)
    assert decision.detail == one.id
    assert await pipeline.due.times([one.id]) == [pipeline.clock.now_ms()]
    entry = await pipeline.ledger.entry(one.event, one.id)
    assert entry is not None
    assert entry.state is State.held
    assert len(stored.messages) == 1
    pipeline.clock.advance(1000)
    assert not (await holds.store([third])).messages


async def test_a_mail_that_was_sent_keeps_its_room() -> None:
    """Its record is read again when its recipient wants no more of them: that frees nothing."""
    pipeline = FakePipeline()
    await pipeline.seed()
    pipeline.allowance = MailAllowance(hour=1)
    pipeline.build("worker-1")
    event = {"type": "winner", "recipients": ["alice"], "data": {"lot_id": "1"}}
    await pipeline.ingest(event | {"id": "1"})
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert len(pipeline.transport.accepted) == 1
    off = {preference_key("winner", "email"): Choice(on=False)}
    row = Recipient(id="alice", address="alice@example.com", preferences=off, version=2)
    await pipeline.tables.put_recipients([row])
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    await pipeline.ingest(event | {"id": "2", "type": "direct_sale_rejected"})
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    assert len(pipeline.transport.accepted) == 1
