"""The tables stage on tables in memory: what a record does, what it must not undo, and what is told back."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from service.model.channels import Channel
from service.model.ids import address_key
from service.model.recipient import Choice, Contact, Group, Recipient, preference_key, row_bytes
from service.model.record import Message, Record
from service.model.topics import TopicNames
from service.pipeline.tables.preference_records import PreferenceApplier
from service.pipeline.tables.stage import TablesHandler
from service.pipeline.tables.writer import TableStores
from tests.fakes.access import FakeAccounts, FakeApiKeys, FakeRowLocks
from tests.fakes.clock import FakeClock
from tests.fakes.tables import FakeTables
from tests.support.catalogues import small_catalogue

NOW = 1_700_000_000_000
TOPICS = TopicNames("p.")


class Rig:
    """The stage, and records for it."""

    def __init__(self) -> None:
        self.tables, self.accounts, self.keys = FakeTables(), FakeAccounts(), FakeApiKeys()
        stores = TableStores(self.tables, self.tables, self.accounts, self.keys)
        fed = PreferenceApplier(stores, FakeRowLocks(), small_catalogue(), TOPICS, FakeClock(NOW))
        self.stage = TablesHandler(stores, fed, TOPICS)
        self.offset = 0

    def record(self, table: str, key: str, value: Any, at: int = NOW, version: int | None = None) -> Record:
        """A record as a producer writes it; a value of None is a tombstone."""
        self.offset += 1
        content = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
        headers = () if version is None else (("version", str(version).encode()),)
        return Record(TOPICS.table(table), 0, self.offset, at, key.encode(), content, headers)

    async def apply(self, *records: Record) -> Sequence[Message]:
        """Run one batch; every record is finished."""
        done = [done async for done in self.stage(records)]
        assert [r for d in done for r in d.records] == list(records)
        return [message for d in done for message in d.messages]

    def alice(self, **fields: Any) -> dict[str, Any]:
        """A recipient's row."""
        return {"id": "alice", "address": "alice@example.com", **fields}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def letters(messages: Sequence[Message]) -> list[str]:
    """The details of the dead letters."""
    return [
        f"{dict(m.headers)['tocsin-reason'].decode()} {dict(m.headers)['tocsin-detail'].decode()}"
        for m in messages
        if m.topic == TOPICS.dead_letter
    ]


async def test_every_table_takes_rows_and_tombstones(rig: Rig) -> None:
    """A row comes to stand as it was sent, with the record's time for a version; a tombstone takes it away."""
    group = {"external_id": "12", "addresses": {"invoice_available": ["a@example.com"]}}
    contact = {"uuid": "u1", "account": "acme", "email": "c@example.com"}
    key = {"id": "k", "name": "n", "scopes": ["events"], "hash": "00", "created_ms": 1}
    stopped = {"reason": "mailbox_unknown", "at_ms": 7, "detail": "550 no"}
    hashed = address_key("a@example.com")
    assert not await rig.apply(
        rig.record("recipients", "alice", rig.alice()),
        rig.record("groups", "12|", group),
        rig.record("contacts", "acme|u1", contact),
        rig.record("accounts", "acme", {"id": "acme", "credential": "x"}),
        rig.record("api-keys", "k", key),
        rig.record("suppressions", hashed, stopped),
    )
    assert rig.tables.recipients == {"alice": Recipient(**rig.alice(), version=NOW)}
    assert rig.tables.groups["12", ""] == Group.model_validate(group | {"version": NOW})
    assert rig.tables.contacts["acme"]["u1"] == Contact.model_validate(contact | {"version": NOW})
    assert (rig.accounts.rows["acme"].version, rig.keys.rows["k"].version) == (NOW, NOW)
    assert rig.tables.suppressions[hashed].at_ms == 7

    await rig.apply(
        rig.record("recipients", "alice", None, NOW + 1),
        rig.record("groups", "12|", None, NOW + 1),
        rig.record("contacts", "acme|u1", None, NOW + 1),
        rig.record("accounts", "acme", None, NOW + 1),
        rig.record("api-keys", "k", None, NOW + 1),
        rig.record("suppressions", hashed, None, version=8),
    )
    assert not rig.tables.recipients
    assert not rig.tables.groups
    assert not rig.tables.contacts["acme"]
    assert not rig.accounts.rows
    assert not rig.keys.rows
    assert not rig.tables.suppressions


@pytest.mark.parametrize("together", [True, False])
async def test_an_old_record_never_undoes_a_newer_write(rig: Rig, together: bool) -> None:
    """Whatever the order of arrival, the highest version stands, and its row is told again as the topic's last."""
    new = rig.record("recipients", "alice", rig.alice(name="new", version=20))
    old = rig.record("recipients", "alice", rig.alice(name="old", version=10))
    gone = rig.record("recipients", "alice", None, version=15)
    if together:
        told = await rig.apply(new, old, gone)
    else:
        told = [m for record in (new, old, gone) for m in await rig.apply(record)]
    assert told == [Message(TOPICS.table("recipients"), b"alice", new.value)] * (1 if together else 2)
    assert rig.tables.recipients["alice"].name == "new"


async def test_an_old_row_does_not_bring_back_what_was_deleted(rig: Rig) -> None:
    """A row older than the deletion is answered with a tombstone, so that the topic's last record agrees."""
    await rig.apply(rig.record("recipients", "alice", None, version=20))
    told = await rig.apply(rig.record("recipients", "alice", rig.alice(version=10)))
    assert told == [Message(TOPICS.table("recipients"), b"alice", None, (("version", b"10"),))]
    assert not rig.tables.recipients
    assert not await rig.apply(rig.record("recipients", "alice", None, version=10))


async def test_applying_twice_is_applying_once(rig: Rig) -> None:
    """The same records again change nothing, and nothing is told that would be read again for ever."""
    records = [
        rig.record("recipients", "alice", rig.alice(version=5)),
        rig.record("recipients", "bob", None, version=6),
    ]
    await rig.apply(*records)
    before = dict(rig.tables.recipients)
    assert not await rig.apply(*records)
    assert rig.tables.recipients == before


@pytest.mark.parametrize(
    ("table", "key", "value", "named"),
    [
        ("recipients", "alice", {"id": "alice", "address": "a@b@c"}, "address"),
        ("recipients", "alice", {"id": "alice", "name": "a\r\nBcc: x"}, "name"),
        ("recipients", "alice", {"id": "alice", "timezone": "Mars/Base"}, "timezone"),
        ("recipients", "alice", {"id": "alice", "locale": "../x"}, "locale"),
        ("recipients", "alice", {"id": "alice", "roles": ["a b"]}, "roles.0"),
        ("recipients", "alice", {"id": "alice", "preferences": {"overbid": {"on": True}}}, "preferences"),
        ("recipients", "alice", {"id": "alice", "version": -1}, "version"),
        ("recipients", "bob", {"id": "alice"}, "key"),
        ("recipients", "alice", b"[]", "not_an_object"),
        ("recipients", "alice", b"{", "invalid_json"),
        ("recipients", "alice", b'{"id":"alice","id":"bob"}', "duplicate_key"),
        ("groups", "12|", {"external_id": "12", "addresses": {"x": ["nobody"]}}, "addresses.x.0"),
        (
            "groups",
            "12|",
            {"external_id": "12", "addresses": {"x": ["a@example.com", "A@example.com"]}},
            "addresses",
        ),
        ("groups", "12", None, "key"),
        ("contacts", "acme|u", {"uuid": "u", "account": "acme", "email": ""}, "email"),
        ("contacts", "u", {"uuid": "u", "account": "acme", "email": "a@example.com"}, "key"),
        ("accounts", "acme", {"id": "acme"}, "credential"),
        ("suppressions", "a@example.com", {"reason": "mailbox_unknown"}, "key"),
        ("suppressions", "0" * 24, {"reason": "because"}, "reason"),
        ("suppressions", "0" * 24, {"reason": "mailbox_full", "until_ms": "soon"}, "until_ms"),
    ],
)
async def test_a_bad_row_is_a_dead_letter_that_names_the_field(
    rig: Rig, table: str, key: str, value: Any, named: str
) -> None:
    """It changes nothing, the rest of its batch goes on, and the text does not repeat what was in it."""
    told = await rig.apply(
        rig.record(table, key, value), rig.record("recipients", "carol", {"id": "carol", "version": 1})
    )
    (letter,) = letters(told)
    assert named in letter
    assert "@example" not in letter
    assert set(rig.tables.recipients) == {"carol"}
    assert (rig.tables.groups, rig.tables.suppressions) == ({}, {})


async def test_what_was_refused_is_followed_by_what_stands(rig: Rig) -> None:
    """Compaction would keep the bad record and drop the good one, so the good one is written once more."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    told = await rig.apply(rig.record("recipients", "alice", rig.alice(locale="?", version=6)))
    assert [m for m in told if m.topic != TOPICS.dead_letter] == [
        Message(TOPICS.table("recipients"), b"alice", row_bytes(Recipient(**rig.alice(), version=5)))
    ]


async def test_what_stands_but_would_be_refused_is_not_written_again(rig: Rig) -> None:
    """It would come round as a record, be refused, be written again, and so on for ever."""
    rig.tables.recipients[" a"] = Recipient(id=" a", version=5)
    (letter,) = await rig.apply(rig.record("recipients", " a", {"id": " a", "version": 6}))
    assert letter.topic == TOPICS.dead_letter


async def test_an_account_may_end_with_a_space(rig: Rig) -> None:
    """As the one of the contacts document does, and RFC 7617 allows."""
    account, contact = (
        {"id": "it ", "credential": "x"},
        {"uuid": "u", "account": "it ", "email": "c@example.com"},
    )
    assert not await rig.apply(
        rig.record("accounts", "it ", account), rig.record("contacts", "it |u", contact)
    )
    assert set(rig.accounts.rows) == {"it "}


OVERBID = preference_key("overbid", Channel.email)


async def choices(rig: Rig) -> Any:
    """Alice's preferences."""
    return rig.tables.recipients["alice"].preferences


async def test_a_preference_is_folded_into_its_row(rig: Rig) -> None:
    """It is set, told as a row, and set back to the default by a tombstone; older ones are passed over."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    off = rig.record("preferences", "alice|overbid|email", {"on": False}, at=100)
    told = await rig.apply(off)
    assert (await choices(rig))[OVERBID] == Choice(on=False, since_ms=100, by="tables.preferences")
    row = rig.tables.recipients["alice"]
    assert row.version > 5
    assert told == [Message(TOPICS.table("recipients"), b"alice", row_bytes(row))]

    assert await rig.apply(off) == told, "its telling may have been lost"
    await rig.apply(rig.record("preferences", "alice|overbid|email", None, at=200))
    assert (await choices(rig))[OVERBID].on
    assert not await rig.apply(off)
    assert (await choices(rig))[OVERBID].on


async def test_a_fed_choice_survives_a_row_that_does_not_know_it(rig: Rig) -> None:
    """One upstream feeds rows, another preferences: neither undoes the other, and what stands is told."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    await rig.apply(rig.record("preferences", "alice|overbid|email", {"on": False}, at=100))
    moved = rig.record("recipients", "alice", rig.alice(address="new@example.com", version=NOW + 50))
    told = await rig.apply(moved)
    row = rig.tables.recipients["alice"]
    assert (row.address, row.preferences[OVERBID].on, row.version) == ("new@example.com", False, NOW + 51)
    assert told == [Message(TOPICS.table("recipients"), b"alice", row_bytes(row))]


async def test_a_preference_may_come_before_its_recipient(rig: Rig) -> None:
    """Topics have no common order: the choice waits in a row without an address, which any real row follows."""
    await rig.apply(rig.record("preferences", "alice|overbid|email", {"on": False}, at=100))
    assert rig.tables.recipients["alice"].address == ""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    row = rig.tables.recipients["alice"]
    assert (row.address, row.preferences[OVERBID].on) == ("alice@example.com", False)


async def test_a_preference_of_a_contact(rig: Rig) -> None:
    """Its key begins with the account and the contact."""
    contact = {"uuid": "u1", "account": "acme", "email": "c@example.com", "version": 1}
    await rig.apply(rig.record("contacts", "acme|u1", contact))
    told = await rig.apply(rig.record("preferences", "acme|u1|payment_failed|email", {"on": False}))
    row = rig.tables.contacts["acme"]["u1"]
    assert not row.preferences["payment_failed:email"].on
    assert told == [Message(TOPICS.table("contacts"), b"acme|u1", row_bytes(row))]


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("alice|overbid", {"on": True}, "key"),
        ("alice|overbidd|email", {"on": True}, "type"),
        ("alice|payment_failed|inbox", {"on": True}, "channel"),
        ("alice|overbid|email", {"on": 1}, "on"),
        ("acme|nobody|payment_failed|email", {"on": True}, "key"),
    ],
)
async def test_a_bad_preference_is_a_dead_letter(rig: Rig, key: str, value: Any, named: str) -> None:
    """It names the part at fault and makes no row."""
    (letter,) = letters(await rig.apply(rig.record("preferences", key, value)))
    assert f"{named}:" in letter
    assert not rig.tables.recipients
