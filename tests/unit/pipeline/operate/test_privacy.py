"""Privacy: export returns all data kept of a data subject, erase leaves only what must stay (ADR 6)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from service.model.blocks.suppression import suppression
from service.model.blocks.unsubscribe import Unsubscribe, unsubscribe_key
from service.model.delivery import Delivery
from service.model.ids import event_key
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import Contact, Group, Recipient, row_bytes
from service.model.record import Record
from service.pipeline.operate.data_subject import NAMED, DataSubject, DeliveryRef, SubjectFinder
from service.pipeline.operate.privacy import Eraser, PrivacyPorts, export
from service.pipeline.tables.writer import TableStores, TableWriter
from service.ports import InboxItem, InboxQuery, ReadFilter
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.support.fake_pipeline import TOPICS, FakePipeline

ALICE = "alice@example.com"


class FakePersonal:
    """The PersonalData port over the fakes of ledger and inbox."""

    def __init__(self, pipeline: FakePipeline) -> None:
        self._pipeline = pipeline
        self.forgotten: set[str] = set()

    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        return await self._pipeline.ledger.recipient_entries(recipient, 0, 1000)

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        return (await self._pipeline.inbox.page(InboxQuery(recipient, ReadFilter.all, limit=1000))).items

    async def digests(self, recipient: str) -> Mapping[str, Sequence[Delivery]]:
        waiting = [await self._pipeline.due.waiting([id_]) for _, id_ in await self.deliveries(recipient)]
        return {"d" * 40: [one for (one,) in waiting if one]} if recipient == "alice" else {}

    async def mails(self, recipient: str) -> Mapping[str, int]:
        return {"a" * 40: 7} if recipient == "alice" else {"b" * 40: 8}

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        anonymised = 0
        for event, delivery in deliveries:
            row = self._pipeline.ledger._events[event].rows.get(delivery)
            if row is not None:
                steps = tuple(replace(step, detail="") for step in row.entry.steps)
                row.entry = replace(row.entry, recipient=stand_in, steps=steps)
                anonymised += 1
        return anonymised

    async def forget(self, recipient: str) -> None:
        self.forgotten.add(recipient)
        self._pipeline.ledger._index.pop(recipient, None)


async def prepared(pipeline: FakePipeline) -> tuple[PrivacyPorts, FakePublisher]:
    """Rows that name alice three times, and two events for her: one finished, one whose email is in the due set."""
    await pipeline.seed()
    group = Group(
        external_id="g", addresses={"invoice_available": (ALICE.upper(), "b@example.com")}, version=1
    )
    contact = Contact(uuid="c9", account="acme", email=ALICE, version=1)
    await pipeline.tables.put_group(group)
    await pipeline.tables.put_contacts([contact])
    await pipeline.ingest({"id": "1", "type": "own_news", "recipients": ["alice", "bob"]})
    await pipeline.deliver()
    await pipeline.ingest({"id": "2", "type": "own_news", "recipients": ["alice"]})
    (waiting,) = [d for r in pipeline.email_records() if (d := _delivery(r)).event_id == "2"]
    await pipeline.due.add([waiting], [pipeline.clock.now_ms() + 1000])
    await pipeline.tables.put_suppression(*suppression(ALICE, Reason.mailbox_full, 5))
    for at_ms, (account, name) in enumerate((("", "alice"), ("acme", "c9"), ("", "bob")), 5):
        row = Unsubscribe(id=unsubscribe_key(account, name, "winner"), type="winner", version=at_ms)
        await pipeline.tables.put_unsubscribe(row)
    publisher = FakePublisher()
    stores = TableStores(pipeline.tables, pipeline.tables, FakeAccounts(), FakeApiKeys(), pipeline.tables)
    writer = TableWriter(stores, publisher, FakeRowLocks(), TOPICS, pipeline.clock)
    ports = PrivacyPorts(
        tables=pipeline.tables, ledger=pipeline.ledger, inbox=pipeline.inbox, due=pipeline.due,
        personal=FakePersonal(pipeline), writer=writer, publisher=pipeline, topics=TOPICS, clock=pipeline.clock,
        types=[row.name for row in pipeline.catalogue],
    )  # fmt: skip
    return ports, publisher


def _delivery(record: Record) -> Delivery:
    return Delivery.from_bytes(record.value)


def subject_of(pipeline: FakePipeline, **query: str) -> DataSubject:
    """Return the data subject in the tables' topics."""
    rows: list[tuple[str, str, Any]] = [("recipients", r.id, r) for r in pipeline.tables.recipients.values()]
    rows += [("groups", f"{e}|{p}", row) for (e, p), row in pipeline.tables.groups.items()]
    rows += [
        ("contacts", f"{c.account}|{c.uuid}", c)
        for of in pipeline.tables.contacts.values()
        for c in of.values()
    ]
    finder = SubjectFinder(TOPICS, **query)
    for n, (table, key, row) in enumerate(rows):
        finder.read(Record(TOPICS.table(table), 0, n, 1, key.encode(), row_bytes(row)))
    return finder.subject()


def refs(pipeline: FakePipeline, subject: DataSubject) -> list[DeliveryRef]:
    keys = {name.encode() for name in subject.ids}
    records = [*pipeline.email_records(), *pipeline.records(TOPICS.inbox), *pipeline.records(TOPICS.outcomes)]
    by_id = {
        ref.delivery: ref for r in records if r.key in keys and (ref := DeliveryRef.from_record(r, TOPICS))
    }
    return list(by_id.values())


async def test_a_subject_is_found_by_id_or_address() -> None:
    """An id finds its own row; an address, in any case, all rows with it, groups too; the last record counts."""
    pipeline = FakePipeline()
    await prepared(pipeline)
    by_id, by_address = (
        subject_of(pipeline, recipient="alice"),
        subject_of(pipeline, address="Alice@Example.com"),
    )

    assert ([r.id for r in by_id.recipients], by_id.contacts, by_id.groups) == (["alice"], (), ())
    assert [c.uuid for c in by_address.contacts] == ["c9"]
    assert {g.external_id for g in by_address.groups} == {"g", "12345"}
    assert {"alice", "c9"} < by_address.ids
    assert subject_of(pipeline, recipient="c9").ids == {"c9"}

    finder = SubjectFinder(TOPICS, recipient="zoe")
    row = Recipient(id="zoe", address="z@example.com", version=1)
    finder.read(Record(TOPICS.table("recipients"), 0, 0, 1, b"zoe", row_bytes(row)))
    finder.read(Record(TOPICS.table("recipients"), 0, 1, 2, b"zoe", None))
    assert finder.subject().recipients == ()
    assert set(NAMED) == {"recipients", "contacts", "groups"}


async def test_export_holds_everything() -> None:
    """Rows, inbox, ledger, due set and suppression; nothing of other recipients."""
    pipeline = FakePipeline()
    ports, _ = await prepared(pipeline)
    subject = subject_of(pipeline, address=ALICE)
    document = json.loads(orjson.dumps(await export(subject, refs(pipeline, subject), ports), default=str))

    assert [row["id"] for row in document["recipients"]] == ["alice"]
    assert len(document["inbox"]) == 1
    assert sorted(entry["steps"][0]["state"] for entry in document["ledger"]) == [
        "delivered",
        "queued",
        "queued",
        "sent",
    ]
    assert len(document["due"]) == 1
    assert [item["recipient"] for item in document["digests"]["d" * 40]] == ["alice"]
    assert document["mails"]["a" * 40] == 7
    assert list(document["suppressions"]) == [ALICE]
    assert [(row["type"], row["version"]) for row in document["unsubscribes"]] == [
        ("winner", 5),
        ("winner", 6),
    ]
    assert {"external_id": "g", "project_id": "", "types": ["invoice_available"]} in document["groups"]
    assert "bob" not in json.dumps(document)


async def test_erase_leaves_nothing_but_states() -> None:
    """No row, inbox, due mail or name in the ledger is left; the sums, the suppression and bob stay."""
    pipeline = FakePipeline()
    ports, publisher = await prepared(pipeline)
    subject = subject_of(pipeline, address=ALICE)
    before = await pipeline.states("1")

    counts = await Eraser(ports)(subject, refs(pipeline, subject))

    assert counts == {"recipients": 1, "contacts": 1, "groups": 2, "stopped": 3, "inbox": 1, "ledger": 4}
    assert "alice" not in pipeline.tables.recipients
    assert "c9" not in pipeline.tables.contacts["acme"]
    assert ALICE not in str(pipeline.tables.groups).lower()
    assert b"b@example.com" in next(m.value or b"" for m in publisher.messages if m.key == b"g|")
    assert (TOPICS.table("recipients"), b"alice", None) in [m[:3] for m in publisher.messages]
    assert await pipeline.inbox.unread("alice") == []
    assert await pipeline.due.count() == 0
    assert len(await pipeline.states("1")) == len(before)
    assert "alice" not in str(await pipeline.states("1")) + str(await pipeline.states("2"))
    assert (await pipeline.states("1"))["bob", "email"] == ("sent", "")
    assert await pipeline.tables.suppression(ALICE)
    assert await Eraser(ports)(subject_of(pipeline, address=ALICE), []) == {}


async def test_pending_deliveries_are_not_delivered() -> None:
    """Email and inbox entry of the second event are withdrawn, though the stages read their records afterwards."""
    pipeline = FakePipeline()
    ports, _ = await prepared(pipeline)
    subject = subject_of(pipeline, recipient="alice")
    await Eraser(ports)(subject, refs(pipeline, subject))
    accepted = len(pipeline.transport.accepted)

    await pipeline.deliver()

    assert len(pipeline.transport.accepted) == accepted
    assert await pipeline.inbox.unread("alice") == []


async def test_a_rebuild_does_not_bring_the_inbox_back() -> None:
    """The last outcome of every inbox delivery is `withdrawn`; also of one that the ledger no longer holds."""
    pipeline = FakePipeline()
    ports, _ = await prepared(pipeline)
    subject = subject_of(pipeline, recipient="alice")
    pipeline.ledger._events.pop(event_key("/t", "1"))
    await Eraser(ports)(subject, refs(pipeline, subject))

    last = {
        o.delivery: o.state for o in pipeline.outcomes() if o.recipient == "alice" and o.channel == "inbox"
    }
    assert set(last.values()) == {State.withdrawn}
    assert len(last) == 2
