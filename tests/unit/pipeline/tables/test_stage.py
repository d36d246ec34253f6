"""The tables stage on tables in memory: stored rows, rows that must not be undone, and republished rows."""

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
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables
from tests.support.catalogues import small_catalogue

NOW = 1_700_000_000_000
TOPICS = TopicNames("p.")


class Rig:
    """The stage, and records for it."""

    def __init__(self) -> None:
        self.tables, self.accounts, self.keys = FakeTables(), FakeAccounts(), FakeApiKeys()
        stores = TableStores(self.tables, self.tables, self.accounts, self.keys, self.tables)
        self.clock = FakeClock(NOW)
        preferences = PreferenceApplier(stores, FakeRowLocks(), small_catalogue(), TOPICS, self.clock)
        self.stage = TablesHandler(stores, preferences, TOPICS, self.clock)
        self.offset = 0

    def record(self, table: str, key: str, value: Any, at: int = NOW, version: int | None = None) -> Record:
        """Return a record as a producer writes it; a value of None is a tombstone."""
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
        """Return a recipient's row."""
        return {"id": "alice", "address": "alice@example.com", **fields}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def dead_letters(messages: Sequence[Message]) -> list[str]:
    """Return reason and detail of the dead letters."""
    return [
        f"{dict(m.headers)['tocsin-reason'].decode()} {dict(m.headers)['tocsin-detail'].decode()}"
        for m in messages
        if m.topic == TOPICS.dead_letter
    ]


async def test_every_table_accepts_rows_and_tombstones(rig: Rig) -> None:
    """A row is stored as it was sent, with the record's time as its version; a tombstone deletes it."""
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
    """In any order of arrival the highest version is stored, and its row is republished as the topic's last."""
    new = rig.record("recipients", "alice", rig.alice(name="new", version=20))
    old = rig.record("recipients", "alice", rig.alice(name="old", version=10))
    gone = rig.record("recipients", "alice", None, version=15)
    if together:
        messages = await rig.apply(new, old, gone)
    else:
        messages = [m for record in (new, old, gone) for m in await rig.apply(record)]
    assert messages == [Message(TOPICS.table("recipients"), b"alice", new.value)] * (1 if together else 2)
    assert rig.tables.recipients["alice"].name == "new"


async def test_an_old_row_does_not_restore_a_deleted_one(rig: Rig) -> None:
    """A row older than the deletion is followed by a tombstone, so that the topic's last record agrees."""
    await rig.apply(rig.record("recipients", "alice", None, version=20))
    messages = await rig.apply(rig.record("recipients", "alice", rig.alice(version=10)))
    assert messages == [Message(TOPICS.table("recipients"), b"alice", None, (("version", b"10"),))]
    assert not rig.tables.recipients
    assert not await rig.apply(rig.record("recipients", "alice", None, version=10))


async def test_applying_twice_is_applying_once(rig: Rig) -> None:
    """The same records again change nothing, and publish nothing that would be read again forever."""
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
        (
            "recipients",
            "alice",
            {"id": "alice", "preferences": {"overbid:inbox": {"on": True, "frequency": "daily"}}},
            "preferences",
        ),
        (
            "recipients",
            "alice",
            {"id": "alice", "preferences": {"overbid:email": {"on": True, "frequency": "often"}}},
            "preferences.overbid:email.frequency",
        ),
        ("recipients", "alice", {"id": "alice", "quiet_hours": [{"start": "7:00", "end": "08:00"}]}, "start"),
        (
            "contacts",
            "acme|u",
            {
                "uuid": "u",
                "account": "acme",
                "email": "a@example.com",
                "quiet_hours": [{"start": "00:00", "end": "00:00"}],
            },
            "quiet_hours",
        ),
        ("accounts", "acme", {"id": "acme", "credential": "x", "quiet_hours": 1}, "quiet_hours"),
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
    """Nothing changes, the rest of the batch is stored, and the detail does not quote the row."""
    messages = await rig.apply(
        rig.record(table, key, value), rig.record("recipients", "carol", {"id": "carol", "version": 1})
    )
    (dead_letter,) = dead_letters(messages)
    assert named in dead_letter
    assert "@example" not in dead_letter
    assert set(rig.tables.recipients) == {"carol"}
    assert (rig.tables.groups, rig.tables.suppressions) == ({}, {})


async def test_a_refused_row_is_followed_by_the_stored_row(rig: Rig) -> None:
    """Compaction would keep the bad record and drop the good one, so the good one is published again."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    messages = await rig.apply(rig.record("recipients", "alice", rig.alice(locale="?", version=6)))
    assert [m for m in messages if m.topic != TOPICS.dead_letter] == [
        Message(TOPICS.table("recipients"), b"alice", row_bytes(Recipient(**rig.alice(), version=5)))
    ]


async def test_a_stored_row_that_would_be_refused_is_not_republished(rig: Rig) -> None:
    """Otherwise it would be read, refused and published again, in an endless loop."""
    rig.tables.recipients[" a"] = Recipient(id=" a", version=5)
    (dead_letter,) = await rig.apply(rig.record("recipients", " a", {"id": " a", "version": 6}))
    assert dead_letter.topic == TOPICS.dead_letter


async def test_an_account_may_end_with_a_space(rig: Rig) -> None:
    """The one in the contacts document does, and RFC 7617 allows it."""
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
    """Return alice's preferences."""
    return rig.tables.recipients["alice"].preferences


async def test_a_preference_is_merged_into_its_row(rig: Rig) -> None:
    """Set and published as a row, then set back to the default by a tombstone; older records are skipped."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    off = rig.record("preferences", "alice|overbid|email", {"on": False}, at=100)
    messages = await rig.apply(off)
    assert (await choices(rig))[OVERBID] == Choice(on=False, since_ms=100, by="tables.preferences")
    row = rig.tables.recipients["alice"]
    assert row.version > 5
    assert messages == [Message(TOPICS.table("recipients"), b"alice", row_bytes(row))]

    assert await rig.apply(off) == messages, "its message may have been lost"
    await rig.apply(rig.record("preferences", "alice|overbid|email", None, at=200))
    assert (await choices(rig))[OVERBID].on
    assert not await rig.apply(off)
    assert (await choices(rig))[OVERBID].on


async def test_a_preference_may_say_the_frequency(rig: Rig) -> None:
    """A record that says none keeps the one that is set; null and a tombstone remove it."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    for at, (value, on, frequency) in enumerate(
        [
            ({"on": True, "frequency": "daily"}, True, "daily"),
            ({"on": False}, False, "daily"),
            ({"on": True}, True, "daily"),
            ({"on": True, "frequency": None}, True, None),
            ({"on": True, "frequency": "weekly"}, True, "weekly"),
            (None, True, None),
        ],
        100,
    ):
        record = rig.record("preferences", "alice|weekly_news|email", value, at=at)
        messages = await rig.apply(record)
        choice = (await choices(rig))["weekly_news:email"]
        assert (choice.on, choice.frequency, choice.since_ms) == (on, frequency, at)
        assert await rig.apply(record) == messages, "its message may have been lost"


async def test_an_applied_choice_survives_a_row_that_lacks_it(rig: Rig) -> None:
    """One upstream publishes rows, another preferences: neither undoes the other, and the merged row is published."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    await rig.apply(rig.record("preferences", "alice|overbid|email", {"on": False}, at=100))
    newer = rig.record("recipients", "alice", rig.alice(address="new@example.com", version=NOW + 50))
    messages = await rig.apply(newer)
    row = rig.tables.recipients["alice"]
    assert (row.address, row.preferences[OVERBID].on, row.version) == ("new@example.com", False, NOW + 51)
    assert messages == [Message(TOPICS.table("recipients"), b"alice", row_bytes(row))]


async def test_a_preference_may_come_before_its_recipient(rig: Rig) -> None:
    """Topics have no common order: the choice waits in a row without an address, which any real row follows."""
    await rig.apply(rig.record("preferences", "alice|overbid|email", {"on": False}, at=100))
    assert rig.tables.recipients["alice"].address == ""
    await rig.apply(rig.record("recipients", "alice", rig.alice(version=5)))
    row = rig.tables.recipients["alice"]
    assert (row.address, row.preferences[OVERBID].on) == ("alice@example.com", False)


async def test_a_preference_of_a_contact(rig: Rig) -> None:
    """The key begins with the account and the contact."""
    contact = {"uuid": "u1", "account": "acme", "email": "c@example.com", "version": 1}
    await rig.apply(rig.record("contacts", "acme|u1", contact))
    messages = await rig.apply(rig.record("preferences", "acme|u1|payment_failed|email", {"on": False}))
    row = rig.tables.contacts["acme"]["u1"]
    assert not row.preferences["payment_failed:email"].on
    assert messages == [Message(TOPICS.table("contacts"), b"acme|u1", row_bytes(row))]


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("alice|overbid", {"on": True}, "key"),
        ("alice|overbidd|email", {"on": True}, "type"),
        ("alice|payment_failed|inbox", {"on": True}, "channel"),
        ("alice|overbid|email", {"on": 1}, "on"),
        ("alice|weekly_news|email", {"on": True, "frequency": "off"}, "frequency"),
        ("alice|weekly_news|email", {"on": True, "frequency": ["daily"]}, "frequency"),
        ("alice|weekly_news|inbox", {"on": True, "frequency": "daily"}, "frequency"),
        ("alice|payment_failed|email", {"on": True, "frequency": "daily"}, "frequency"),
        ("acme|nobody|payment_failed|email", {"on": True}, "key"),
    ],
)
async def test_a_bad_preference_is_a_dead_letter(rig: Rig, key: str, value: Any, named: str) -> None:
    """The dead letter names the invalid part, and no row is made."""
    (dead_letter,) = dead_letters(await rig.apply(rig.record("preferences", key, value)))
    assert f"{named}:" in dead_letter
    assert not rig.tables.recipients


@pytest.mark.parametrize("ahead", [{"version": 4_070_908_800_000}, {"version": 2**53}])
async def test_a_version_that_is_years_ahead_keeps_no_later_row_out(rig: Rig, ahead: dict[str, int]) -> None:
    """A row of a wrong clock counts as ten minutes newer than its record at most, and so does a tombstone."""
    await rig.apply(rig.record("recipients", "alice", rig.alice(name="First", **ahead)))
    assert rig.tables.recipients["alice"].version == NOW + 600_000

    rig.clock.now = NOW + 600_001
    await rig.apply(rig.record("recipients", "alice", rig.alice(name="Later"), at=NOW + 600_001))
    assert rig.tables.recipients["alice"].name == "Later"

    later = rig.clock.now = NOW + 700_000
    await rig.apply(rig.record("recipients", "alice", None, at=later, version=4_070_908_800_000))
    rig.clock.now = later + 600_001
    await rig.apply(rig.record("recipients", "alice", rig.alice(name="Again"), at=later + 600_001))
    assert rig.tables.recipients["alice"].name == "Again"


AHEAD = 4_070_908_800_000


async def test_a_record_of_a_clock_that_is_years_ahead_keeps_no_later_one_out(rig: Rig) -> None:
    """It counts as written when it is read: rows, tombstones, preferences and suppressions of later records win."""
    address = address_key("alice@example.com")
    suppression = {"reason": "complaint_received"}
    await rig.apply(
        rig.record("recipients", "alice", rig.alice(name="First"), at=AHEAD),
        rig.record("preferences", "alice|overbid|email", {"on": False}, at=AHEAD),
        rig.record("suppressions", address, suppression, at=AHEAD),
    )
    await rig.apply(rig.record("recipients", "bob", None, at=AHEAD))
    assert rig.tables.recipients["alice"].version <= NOW + 1
    assert rig.tables.suppressions[address].at_ms == NOW

    rig.clock.now = later = NOW + 10
    await rig.apply(
        rig.record("recipients", "alice", rig.alice(name="Later"), at=later),
        rig.record("recipients", "bob", {"id": "bob", "address": "bob@example.com"}, at=later),
        rig.record("preferences", "alice|overbid|email", {"on": True}, at=later),
        rig.record("suppressions", address, None, at=later),
    )
    assert rig.tables.recipients["alice"].name == "Later"
    assert rig.tables.recipients["alice"].preferences["overbid:email"].on
    assert rig.tables.recipients["bob"].address == "bob@example.com"
    assert address not in rig.tables.suppressions


async def test_times_within_a_row_are_those_of_its_record_at_most(rig: Rig) -> None:
    """A choice or a suppression that is dated years ahead keeps no later one out."""
    address = address_key("alice@example.com")
    choices = {"overbid:email": {"on": False, "since_ms": AHEAD}}
    await rig.apply(
        rig.record("recipients", "alice", rig.alice(preferences=choices)),
        rig.record("suppressions", address, {"reason": "complaint_received", "at_ms": AHEAD}),
    )
    assert rig.tables.recipients["alice"].preferences["overbid:email"].since_ms == NOW + 600_000
    assert rig.tables.suppressions[address].at_ms == NOW + 600_000

    rig.clock.now = later = NOW + 600_001
    await rig.apply(
        rig.record("preferences", "alice|overbid|email", {"on": True}, at=later),
        rig.record("suppressions", address, None, at=later),
    )
    assert rig.tables.recipients["alice"].preferences["overbid:email"].on
    assert address not in rig.tables.suppressions


async def test_a_stored_version_that_is_far_ahead_is_published_once(rig: Rig) -> None:
    """The API's clock may be ahead of the worker's. Published again and again, the row would keep the stage busy."""
    await rig.tables.put_recipients([Recipient(**rig.alice(name="Stored"), version=NOW + 900_000)])
    messages = await rig.apply(rig.record("recipients", "alice", rig.alice(name="Older")))
    for rounds in range(5):
        if not messages:
            break
        (message,) = messages
        messages = await rig.apply(
            Record(message.topic, 0, 100 + rounds, NOW, message.key, message.value, message.headers)
        )
    assert not messages
    assert rig.tables.recipients["alice"].name == "Stored"


async def test_a_row_may_begin_with_a_byte_order_mark(rig: Rig) -> None:
    """As an event may."""
    await rig.apply(rig.record("recipients", "alice", b"\xef\xbb\xbf" + orjson.dumps(rig.alice())))
    assert rig.tables.recipients["alice"].address == "alice@example.com"


@pytest.mark.parametrize("since_ms", [-1, 2**62, 253_402_300_799_000])
async def test_times_in_rows_are_bounded(rig: Rig, since_ms: int) -> None:
    """Every reader can show them."""
    preferences = {"overbid:email": {"on": False, "since_ms": since_ms}}
    messages = await rig.apply(rig.record("recipients", "alice", rig.alice(preferences=preferences)))
    assert dead_letters(messages)
    key = address_key("alice@example.com")
    suppression = {"reason": "complaint_received", "at_ms": NOW, "until_ms": since_ms}
    assert dead_letters(await rig.apply(rig.record("suppressions", key, suppression)))
