"""A row that cannot be read hides no other and stops no stage: it is left out, and counted."""

from collections.abc import AsyncIterator

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.rows import id_bytes
from service.adapters.redis.ledger.codes import REASON_CODES, REASONS
from service.adapters.redis.ledger.rows import first_row
from service.adapters.redis.operate.address_search import RedisAddressSearch
from service.adapters.redis.operate.suppressions import suppressions
from service.adapters.redis.script_batch import Script
from service.adapters.redis.tables.credentials import RedisAccounts, RedisApiKeys
from service.adapters.redis.tables.directory import RedisRecipientDirectory
from service.model.catalogue import AudienceRule, Catalogue
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.ids import address_key, delivery_id, event_key
from service.model.keys import ContactKey, GroupKey
from service.model.ledger import NewEntry, State
from service.model.reasons import Reason
from service.model.recipient import Contact, Group, Recipient
from service.observability.metrics import UNREADABLE_ROWS
from service.ports import MANY, EventHead, InboxItem, InboxQuery, LookupKeys
from service.settings import RedisSettings
from tests.specs.backend import Backend, redis_backend
from tests.support.completeness import mark_complete
from tests.support.ledger_rows import put_row

BROKEN = [b"", b"{", b"\xff", b"null", b"[]", b'{"id":5}', b"x\ty\tz", b"\n\n"]
BROKEN_IN_THE_LEDGER = [
    *BROKEN,
    b"\0\0\x11a\0",
    b"\0\1\x10\0\x81" + bytes(6) + b"\0\x09x",
    b"\x80\1" + bytes(61) + b"\x03",
]


@pytest.fixture
async def store(valkey_url: str) -> AsyncIterator[Store]:
    store = Store(RedisSettings(url=valkey_url))  # type: ignore[arg-type]
    await mark_complete(store)
    yield store
    await store.close()


@pytest.fixture
def backend(store: Store) -> Backend:
    return redis_backend(store, cap=1000)


def item(n: int, created_ms: int = 1_700_000_000_000) -> InboxItem:
    return InboxItem(f"i{n}", "alice", "winner", 1, created_ms, {"lot_id": "7"}, "line", "event")


@pytest.mark.parametrize("broken", BROKEN)
async def test_an_inbox_is_shown_without_it(store: Store, backend: Backend, broken: bytes) -> None:
    """The list, the pages and the stream of changes."""
    before = UNREADABLE_ROWS.value("inbox")
    start = await backend.changes.position("alice")
    await backend.inbox.add([item(1), item(2), item(3)])
    await store.pipeline([("HSET", store.keys.inbox("alice"), id_bytes("i2"), broken)])

    assert {one.id for one in await backend.inbox.unread("alice")} == {"i1", "i3"}
    assert {one.id for one in (await backend.reads.page(InboxQuery("alice", limit=10))).items} == {"i1", "i3"}
    changes = await backend.changes.since("alice", start)
    assert changes is not None
    assert {change.item.id for change in changes if change.item} == {"i1", "i3"}
    assert UNREADABLE_ROWS.value("inbox") >= before + 2


@pytest.mark.parametrize("broken", BROKEN)
async def test_an_inbox_can_be_used_with_it(store: Store, backend: Backend, broken: bytes) -> None:
    """Entries expire, are added, read and removed as before; a recount removes what cannot be read."""
    soon_ms = backend.clock.now_ms() + 1000
    expiring = item(4)._replace(expires_ms=soon_ms)
    await backend.inbox.add([item(1), item(2), item(3), expiring])
    await store.pipeline([("HSET", store.keys.inbox("alice"), id_bytes("i2"), broken)])

    backend.clock.advance(2000)
    await backend.inbox.add([item(5)])
    assert await backend.inbox.mark_read("alice", ["i1", "i2"], 1) == [True, True]
    assert {one.id for one in await backend.inbox.unread("alice")} == {"i3", "i5"}
    assert await backend.inbox.remove("alice", ["i2", "i3"]) == 2
    await backend.inbox.add([item(6), item(7)])
    await store.pipeline([("HSET", store.keys.inbox("alice"), id_bytes("i6"), broken)])
    await store.run_script(Script("inbox_functions", "inbox_recount"), store.keys.inbox("alice"), 1)
    assert await backend.drift("alice") == []
    assert {one.id for one in await backend.inbox.unread("alice")} == {"i5", "i7"}


@pytest.mark.parametrize("created_ms", [-(2**53), -1, 0, 2**53, 253_402_300_799_000])
async def test_a_time_out_of_range_is_shown_as_the_nearest(backend: Backend, created_ms: int) -> None:
    """Such entries were accepted by earlier versions."""
    from service.api.representations.entries import EntryFormat
    from service.pages.brand import Brands
    from service.pages.shell import OWN_BRAND

    await backend.inbox.add([item(1, created_ms)])

    (shown,) = await backend.inbox.unread("alice")
    text = EntryFormat(Catalogue({}), Brands(OWN_BRAND)).resource(shown)["attributes"]["created_at"]
    assert text in ("1970-01-01T00:00:00Z", "2261-12-31T23:59:59Z")


@pytest.mark.parametrize("broken", BROKEN)
async def test_rows_of_tables(store: Store, backend: Backend, broken: bytes) -> None:
    """A recipient, group or contact is unknown, a suppression or an unsubscribe blocks, a credential admits no one."""
    await backend.writes.put_recipients(
        [Recipient(id=i, address=f"{i}@x.test", version=1) for i in ("a", "b")]
    )
    await backend.writes.put_group(Group(external_id="1", version=1))
    await backend.writes.put_contacts(
        [Contact(account="acme", uuid=u, email=f"{u}@x.test", version=1) for u in "uv"]
    )
    keys = store.keys
    await store.pipeline(
        [
            *(
                ("SET", key, broken)
                for key in (keys.recipient("b"), keys.group("1", ""), keys.credential("acme"))
            ),
            *(
                ("SET", key, broken)
                for key in (keys.suppressed(address_key("a@x.test")), keys.unsubscribed("0" * 24))
            ),
            ("HSET", keys.contacts("acme"), "v", broken),
            ("HSET", keys.api_keys, "k", broken),
        ]
    )

    rows = await backend.tables.lookup(
        LookupKeys(
            recipients={"a", "b"},
            groups={GroupKey("1", "")},
            account_pages={"acme"},
            roles={"user"},
            contacts={ContactKey("acme", "u"), ContactKey("acme", "v")},
        )
    )
    assert (set(rows.recipients), set(rows.groups)) == ({"a"}, set())
    assert [contact.uuid for contact in rows.account_pages["acme"].contacts] == ["u"]
    assert [key.uuid for key in rows.contacts] == ["u"]
    assert [row.uuid for row in (await backend.contacts.page("acme", 0, 0)).rows] == ["u"]
    assert [row.id for row in await RedisRecipientDirectory(store).recipients("", 10)] == ["a"]
    assert list(await RedisAddressSearch(store).find("u@x.test")) == ["u"]
    (block,) = await backend.tables.blocks([("a@x.test", "0" * 24)])
    if broken:  # an empty string is no row
        assert block.suppression is not None
        assert block.unsubscribed is not None
        assert [key async for key, _ in suppressions(store)] == [address_key("a@x.test")]
    assert await RedisAccounts(store).get("acme") is None
    await check_that_rows_can_be_written_again(store, backend)


async def check_that_rows_can_be_written_again(store: Store, backend: Backend) -> None:
    assert list(await backend.writes.put_recipients([Recipient(id="b", roles=("user",), version=1)])) == [
        True
    ]
    assert await backend.writes.put_group(Group(external_id="1", version=1))
    contact = Contact(account="acme", uuid="v", email="v@x.test", main=True, version=1)
    assert list(await backend.writes.put_contacts([contact])) == [True]
    assert [row.uuid for row in (await backend.contacts.page("acme", 0, 0)).rows] == ["v", "u"]
    await store.pipeline([("SET", store.keys.recipient("b"), b"{")])
    assert await backend.writes.delete_recipient("b", 1)
    assert (await backend.tables.lookup(LookupKeys(recipients={"b"}))).recipients == {}


@pytest.mark.parametrize("broken", BROKEN)
async def test_credentials(store: Store, broken: bytes) -> None:
    """One that cannot be read admits no one."""
    await store.pipeline(
        [("SET", store.keys.credential("acme"), broken), ("HSET", store.keys.api_keys, "k", broken)]
    )
    assert await RedisAccounts(store).get("acme") is None
    assert await RedisApiKeys(store).get("k") is None
    assert list(await RedisApiKeys(store).all()) == []


@pytest.mark.parametrize("broken", BROKEN_IN_THE_LEDGER)
async def test_the_ledger_is_shown_without_it(store: Store, backend: Backend, broken: bytes) -> None:
    """`explain` shows the other deliveries of the event."""
    before = UNREADABLE_ROWS.value("ledger")
    for event, deliveries in ((event_key("s", "1"), 3), (event_key("s", "2"), MANY)):
        head = EventHead(Event(event, "i", "s", "t", 1, 1, {}), 60, deliveries)
        ids = [delivery_id(event, recipient, "email") for recipient in "abc"]
        entries = [
            NewEntry(event, one, recipient, "email", State.queued, Reason.none, 1)
            for one, recipient in zip(ids, "abc", strict=True)
        ]
        await backend.ledger.open([head], entries)
        await put_row(store, ids[1], broken)

        assert {entry.delivery async for entry in backend.ledger.entries(event)} == {ids[0], ids[2]}
        assert await backend.ledger.entry(event, ids[1]) is None
    assert UNREADABLE_ROWS.value("ledger") >= before + 2


async def test_a_reason_of_a_newer_version_is_no_reason(store: Store, backend: Backend) -> None:
    """During a rolling upgrade, the older version reads what the newer one wrote."""
    event = event_key("s", "1")
    one = NewEntry(event, delivery_id(event, "a", "email"), "a", "email", State.sent, Reason.by_operator, 5)
    newer = bytearray(first_row(one))
    assert newer[4] == REASON_CODES[Reason.by_operator]
    newer[4] = len(REASONS) + 1
    await backend.ledger.open([], [one])
    await put_row(store, one.delivery, bytes(newer))

    entry = await backend.ledger.entry(event, one.delivery)
    assert entry is not None
    assert (entry.state, entry.newest_step.reason) == (State.sent, Reason.none)


@pytest.mark.parametrize("broken", BROKEN)
async def test_the_due_set_goes_past_it(store: Store, backend: Backend, broken: bytes) -> None:
    """The scheduler still dispatches what is due beside it."""
    event = event_key("/t", "1")
    ids = [delivery_id(event, recipient, "email") for recipient in "abc"]
    waiting = [
        Delivery(
            id=id_of_delivery, event=event, event_id="1", source="/t", type="t", channel="email", recipient="r",
            rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=9,
        )
        for id_of_delivery in ids
    ]  # fmt: skip
    await backend.due.add(waiting, [5, 5, 5])
    await store.pipeline([("HSET", f"{store.keys.due_shard_of(ids[1])}:deliveries", ids[1], broken)])

    assert {due.delivery.id for due in await backend.due.take(10, 10)} == {ids[0], ids[2]}
