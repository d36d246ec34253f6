"""Privacy: export shows all that is kept of a person, erase leaves nothing of them but what must stay (ADR 6)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from service.model.delivery import Delivery
from service.model.ids import event_key
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import Contact, Group, Recipient, row_bytes
from service.model.record import Record
from service.model.suppression import suppression
from service.model.unsubscribe import Unsubscribe, unsubscribe_key
from service.pipeline.operate.data_subject import NAMED, DataSubject, DeliveryRef, SubjectFinder, trace_of
from service.pipeline.operate.privacy import Eraser, PrivacyPorts, export
from service.pipeline.tables.writer import TableStores, TableWriter
from service.ports import InboxItem, InboxQuery, ReadFilter
from tests.fakes.access import FakeAccounts, FakeApiKeys, FakePublisher, FakeRowLocks
from tests.support.fake_pipeline import TOPICS, FakePipeline

ALICE = "alice@example.com"


class FakePersonal:
    """The Personal port over the fakes of ledger and inbox."""

    def __init__(self, line: FakePipeline) -> None:
        self._line = line
        self.forgotten: set[str] = set()

    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        return await self._line.ledger.recipient_entries(recipient, 0, 1000)

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        return (await self._line.inbox.page(InboxQuery(recipient, ReadFilter.all, limit=1000))).items

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        found = 0
        for event, delivery in deliveries:
            row = self._line.ledger._events[event].rows.get(delivery)
            if row is not None:
                steps = tuple(replace(step, detail="") for step in row.entry.steps)
                row.entry = replace(row.entry, recipient=stand_in, steps=steps)
                found += 1
        return found

    async def forget(self, recipient: str) -> None:
        self.forgotten.add(recipient)
        self._line.ledger._index.pop(recipient, None)


async def told(line: FakePipeline) -> tuple[PrivacyPorts, FakePublisher]:
    """Rows that name alice thrice over, and two events for her: one done, one whose mail waits."""
    await line.seed()
    group = Group(
        external_id="g", addresses={"invoice_available": (ALICE.upper(), "b@example.com")}, version=1
    )
    contact = Contact(uuid="c9", account="acme", email=ALICE, version=1)
    await line.tables.put_group(group)
    await line.tables.put_contacts([contact])
    await line.ingest({"id": "1", "type": "own_news", "recipients": ["alice", "bob"]})
    await line.deliver()
    await line.ingest({"id": "2", "type": "own_news", "recipients": ["alice"]})
    (waiting,) = [d for r in line.email_records() if (d := _delivery(r)).event_id == "2"]
    await line.due.add([waiting], [line.clock.now_ms() + 1000])
    await line.tables.put_suppression(*suppression(ALICE, Reason.mailbox_full, 5))
    for at_ms, (account, name) in enumerate((("", "alice"), ("acme", "c9"), ("", "bob")), 5):
        row = Unsubscribe(id=unsubscribe_key(account, name, "winner"), type="winner", version=at_ms)
        await line.tables.put_unsubscribe(row)
    publisher = FakePublisher()
    stores = TableStores(line.tables, line.tables, FakeAccounts(), FakeApiKeys())
    writer = TableWriter(stores, publisher, FakeRowLocks(), TOPICS, line.clock)
    ports = PrivacyPorts(
        tables=line.tables, ledger=line.ledger, inbox=line.inbox, due=line.due, personal=FakePersonal(line),
        writer=writer, publisher=line, topics=TOPICS, clock=line.clock,
        types=[row.name for row in line.catalogue],
    )  # fmt: skip
    return ports, publisher


def _delivery(record: Record) -> Delivery:
    return Delivery.from_bytes(record.value)


def searched(line: FakePipeline, **asked: str) -> DataSubject:
    """Who is found in the tables' topics."""
    rows: list[tuple[str, str, Any]] = [("recipients", r.id, r) for r in line.tables.recipients.values()]
    rows += [("groups", f"{e}|{p}", row) for (e, p), row in line.tables.groups.items()]
    rows += [
        ("contacts", f"{c.account}|{c.uuid}", c) for of in line.tables.contacts.values() for c in of.values()
    ]
    search = SubjectFinder(TOPICS, **asked)
    for n, (table, key, row) in enumerate(rows):
        search.read(Record(TOPICS.table(table), 0, n, 1, key.encode(), row_bytes(row)))
    return search.person()


def traces(line: FakePipeline, person: DataSubject) -> list[DeliveryRef]:
    keys = {name.encode() for name in person.ids}
    records = [*line.email_records(), *line.records(TOPICS.inbox), *line.records(TOPICS.outcomes)]
    found = {t.delivery: t for r in records if r.key in keys and (t := trace_of(r, TOPICS))}
    return list(found.values())


async def test_who_is_meant() -> None:
    """An id means its own row; an address whoever goes by it, in any case, in groups too; the last record counts."""
    line = FakePipeline()
    await told(line)
    by_id, by_address = searched(line, recipient="alice"), searched(line, address="Alice@Example.com")

    assert ([r.id for r in by_id.recipients], by_id.contacts, by_id.groups) == (["alice"], (), ())
    assert [c.uuid for c in by_address.contacts] == ["c9"]
    assert {g.external_id for g in by_address.groups} == {"g", "12345"}
    assert {"alice", "c9"} < by_address.ids
    assert searched(line, recipient="c9").ids == {"c9"}

    search = SubjectFinder(TOPICS, recipient="zoe")
    row = Recipient(id="zoe", address="z@example.com", version=1)
    search.read(Record(TOPICS.table("recipients"), 0, 0, 1, b"zoe", row_bytes(row)))
    search.read(Record(TOPICS.table("recipients"), 0, 1, 2, b"zoe", None))
    assert search.person().recipients == ()
    assert set(NAMED) == {"recipients", "contacts", "groups"}


async def test_export_holds_everything() -> None:
    """Rows, inbox, ledger, due set and suppression; nothing of anybody else."""
    line = FakePipeline()
    ports, _ = await told(line)
    person = searched(line, address=ALICE)
    document = json.loads(orjson.dumps(await export(person, traces(line, person), ports), default=str))

    assert [row["id"] for row in document["recipients"]] == ["alice"]
    assert len(document["inbox"]) == 1
    assert sorted(entry["steps"][0]["state"] for entry in document["ledger"]) == [
        "delivered",
        "queued",
        "queued",
        "sent",
    ]
    assert len(document["due"]) == 1
    assert list(document["suppressions"]) == [ALICE]
    assert [(row["type"], row["version"]) for row in document["unsubscribes"]] == [
        ("winner", 5),
        ("winner", 6),
    ]
    assert {"external_id": "g", "project_id": "", "types": ["invoice_available"]} in document["groups"]
    assert "bob" not in json.dumps(document)


async def test_erase_leaves_nothing_but_states() -> None:
    """No row, no inbox, no waiting mail, no name in the ledger; the sums and the suppression stay; bob stays."""
    line = FakePipeline()
    ports, publisher = await told(line)
    person = searched(line, address=ALICE)
    before = await line.states("1")

    counts = await Eraser(ports)(person, traces(line, person))

    assert counts == {"recipients": 1, "contacts": 1, "groups": 2, "stopped": 3, "inbox": 1, "ledger": 4}
    assert "alice" not in line.tables.recipients
    assert "c9" not in line.tables.contacts["acme"]
    assert ALICE not in str(line.tables.groups).lower()
    assert b"b@example.com" in next(m.value or b"" for m in publisher.messages if m.key == b"g|")
    assert (TOPICS.table("recipients"), b"alice", None) in [m[:3] for m in publisher.messages]
    assert await line.inbox.unread("alice") == []
    assert await line.due.count() == 0
    assert len(await line.states("1")) == len(before)
    assert "alice" not in str(await line.states("1")) + str(await line.states("2"))
    assert (await line.states("1"))["bob", "email"] == ("sent", "")
    assert await line.tables.suppression(ALICE)
    assert await Eraser(ports)(searched(line, address=ALICE), []) == {}


async def test_what_was_on_its_way_does_not_go_out() -> None:
    """Mail and inbox entry of the second event stop, whatever Kafka hands to the stages afterwards."""
    line = FakePipeline()
    ports, _ = await told(line)
    person = searched(line, recipient="alice")
    await Eraser(ports)(person, traces(line, person))
    accepted = len(line.transport.accepted)

    await line.deliver()

    assert len(line.transport.accepted) == accepted
    assert await line.inbox.unread("alice") == []


async def test_a_rebuild_does_not_bring_the_inbox_back() -> None:
    """History says of every inbox delivery that it was withdrawn, as the last word; also of a forgotten one."""
    line = FakePipeline()
    ports, _ = await told(line)
    person = searched(line, recipient="alice")
    line.ledger._events.pop(event_key("/t", "1"))
    await Eraser(ports)(person, traces(line, person))

    last = {o.delivery: o.state for o in line.outcomes() if o.recipient == "alice" and o.channel == "inbox"}
    assert set(last.values()) == {State.withdrawn}
    assert len(last) == 2
