"""Specs of the Tables, TableWrites and Contacts ports."""

import pytest

from service.adapters.redis.tables.tables import RedisTables
from service.model.access import Account
from service.model.blocks.suppression import suppression
from service.model.blocks.unsubscribe import Unsubscribe, unsubscribe_key
from service.model.holds.calendar import QuietWindow
from service.model.ids import address_key
from service.model.keys import ContactKey
from service.model.reasons import Reason
from service.model.recipient import Choice, Contact, Group, Recipient
from service.ports import LookupKeys, MailBlock, Unavailable
from tests.specs.backend import Backend
from tests.support.completeness import mark_complete

ODD = ["plain", "a}b{c", "{x}", "Ünïcödé ☃", "with space", "a%7Db", "line\nbreak\ttab", "{}", "\x00nul"]


def person(name: str, *roles: str, version: int = 1, address: str = "a@example.com") -> Recipient:
    return Recipient(id=name, address=address, roles=roles, version=version)


def contact(uuid: str, account: str = "acme", version: int = 1, name: str = "") -> Contact:
    return Contact(uuid=uuid, account=account, email=f"{uuid}@example.com", name=name, version=version)


@pytest.fixture
async def full(backend: Backend) -> Backend:
    if isinstance(backend.tables, RedisTables):
        await mark_complete(backend.tables._store)
    else:
        await backend.tables.mark_incomplete("it is filled")
        await backend.tables.mark_complete()
    return backend


async def test_nothing_is_read_until_complete(backend: Backend) -> None:
    """Every read that decides on sending raises Unavailable until the tables are marked complete."""
    await backend.writes.put_recipients([person("alice", "admin")])

    assert await backend.tables.incomplete()
    for read in (
        lambda: backend.tables.lookup(LookupKeys(recipients={"alice"})),
        lambda: backend.tables.role("admin", ""),
        lambda: backend.tables.blocks([("a@example.com", "0" * 24)]),
        lambda: backend.contacts.page("acme", 0, 0),
    ):
        with pytest.raises(Unavailable):
            await read()

    with pytest.raises(Unavailable, match="tocsin rebuild"):
        await backend.tables.mark_complete()
    await backend.tables.mark_incomplete("it is filled")
    await backend.tables.mark_complete()

    assert await backend.tables.incomplete() is None
    assert (await backend.tables.lookup(LookupKeys(recipients={"alice"}))).recipients


async def test_incomplete_returns_the_reason(full: Backend) -> None:
    """The reason for which the tables are marked incomplete is returned, and raised by reads."""
    await full.tables.mark_incomplete("an import runs")

    assert await full.tables.incomplete() == "an import runs"
    with pytest.raises(Unavailable, match="an import runs"):
        await full.tables.lookup(LookupKeys())


async def test_lookup_returns_every_stored_row(full: Backend) -> None:
    """A lookup returns the rows that are stored and leaves out those that are not."""
    alice = person("alice", "user").model_copy(update={"preferences": {"overbid:email": Choice(on=False)}})
    group = Group(external_id="12345", addresses={"overbid": ("x@example.com",)}, version=2)
    other = Group(external_id="12345", project_id="p", version=1)
    await full.writes.put_recipients([alice, person("carol", "admin")])
    await full.writes.put_group(group)
    await full.writes.put_group(other)
    await full.writes.put_contacts([contact("u2"), contact("u1"), contact("u1", "other")])

    rows = await full.tables.lookup(
        LookupKeys(
            {"alice", "unknown"},
            {("12345", ""), ("12345", "p"), ("9", "")},
            {"admin", "no"},
            account_pages={"acme", "none"},
        )
    )

    assert rows.recipients == {"alice": alice}
    assert rows.groups == {("12345", ""): group, ("12345", "p"): other}
    assert {a: list(page.contacts) for a, page in rows.account_pages.items()} == {
        "acme": [contact("u1"), contact("u2")],
        "none": [],
    }
    assert {role: [m.id for m in page.members] for role, page in rows.roles.items()} == {
        "admin": ["carol"],
        "no": [],
    }


async def test_contacts_are_looked_up_by_key(full: Backend) -> None:
    """Of many accounts, some contacts or all, in any mixture; unknown ones are absent."""
    rows = [contact(f"u{n}", f"acme{n % 70}") for n in range(700)]
    await full.writes.put_contacts(rows)
    keys = {(f"acme{n % 70}", f"u{n}") for n in range(600)} | {("acme1", "u2"), ("none", "u1")}

    looked_up = await full.tables.lookup(LookupKeys(contacts=keys, account_pages={"acme7", "none"}))

    assert looked_up.contacts == {(row.account, row.uuid): row for row in rows[:600]}
    assert [c.uuid for c in looked_up.account_pages["acme7"].contacts] == sorted(
        r.uuid for r in rows if r.account == "acme7"
    )


async def test_contacts_come_with_the_quiet_hours_of_their_accounts(full: Backend) -> None:
    """By key; the rows stay as they are, and an account without any is absent, and so is one whose page is read."""
    night, noon = ((QuietWindow(start=start, end="13:00"),) for start in ("22:00", "12:00"))
    own = contact("own").model_copy(update={"quiet_hours": noon})
    await full.writes.put_contacts([own, contact("x", "other"), contact("y", "none"), contact("z", "whole")])
    await full.accounts.put(Account(id="acme", credential="h", quiet_hours=night, version=1))
    await full.accounts.put(Account(id="whole", credential="h", quiet_hours=night, version=1))
    await full.accounts.put(Account(id="other", credential="h", version=1))

    keys = {ContactKey("acme", "own"), ContactKey("other", "x"), ContactKey("none", "y")}
    rows = await full.tables.lookup(LookupKeys(contacts=keys, account_pages={"whole"}))

    assert rows.quiet_hours == {"acme": night}
    assert rows.contacts[ContactKey("acme", "own")] == own
    assert (await full.tables.lookup(LookupKeys(recipients={"alice"}))).quiet_hours == {}
    await full.accounts.put(Account(id="acme", credential="h", quiet_hours=(), version=2))
    assert (await full.tables.lookup(LookupKeys(contacts=keys))).quiet_hours == {"acme": ()}


@pytest.mark.parametrize("number", [0, 1, 100, 2_500])
async def test_an_account_is_read_by_pages(full: Backend, number: int) -> None:
    """A lookup returns a first page; each contact that stays is on one of the pages, whatever is deleted meanwhile."""
    await full.writes.put_contacts([contact(f"u{n}") for n in range(number)])

    page = (await full.tables.lookup(LookupKeys(account_pages={"acme"}))).account_pages["acme"]
    seen = [row.uuid for row in page.contacts]
    assert (page.cursor is None) == (number <= 100)
    while page.cursor is not None:
        await full.writes.delete_contact("acme", seen[0], 2)
        page = await full.tables.account("acme", page.cursor, 500)
        assert len(page.contacts) <= 1000
        seen += [row.uuid for row in page.contacts]
    assert set(seen) == {f"u{n}" for n in range(number)}


async def test_cursors_of_an_account_are_places_in_its_order(full: Backend) -> None:
    """The main contact is first, then by uuid. A cursor is good after its own contact has been deleted or changed."""
    main = contact("u3").model_copy(update={"main": True})
    await full.writes.put_contacts([contact(f"u{n}") for n in range(9) if n != 3] + [main])

    first = await full.tables.account("acme", "", 3)
    assert [row.uuid for row in first.contacts] == ["u3", "u0", "u1"]
    assert first.cursor is not None
    await full.writes.delete_contact("acme", "u1", 2)
    second = await full.tables.account("acme", first.cursor, 3)
    assert [row.uuid for row in second.contacts] == ["u2", "u4", "u5"]
    assert second.cursor is not None
    assert second.cursor > first.cursor
    await full.writes.put_contacts([main.model_copy(update={"main": False, "version": 2})])
    await full.writes.put_contacts([contact("u7", version=2).model_copy(update={"main": True})])
    third = await full.tables.account("acme", second.cursor, 3)
    assert [row.uuid for row in third.contacts] == ["u6", "u8", "u7"]
    assert third.cursor is None
    assert (await full.contacts.page("acme", 0, 0)).total == 8
    assert await full.tables.account("none", "", 3) == await full.tables.account("none", "1:u1", 3)


async def test_pages_of_contacts_have_the_main_one_first(full: Backend) -> None:
    """The others follow by uuid; every contact is on one page; pages reflect writes and deletions."""
    main = contact("u9").model_copy(update={"main": True})
    await full.writes.put_contacts([contact(f"u{n}") for n in range(9)] + [main, contact("u0", "other")])

    order = ["u9", *(f"u{n}" for n in range(9))]
    pages = [await full.contacts.page("acme", start, 4) for start in (0, 4, 8, 12)]
    assert [row.uuid for page in pages for row in page.rows] == order
    assert [(page.total, len(page.rows)) for page in pages] == [(10, 4), (10, 4), (10, 2), (10, 0)]
    assert [row.uuid for row in (await full.contacts.page("acme", 3, 0)).rows] == order[3:]
    assert await full.contacts.page("none", 0, 0) == (0, [])

    await full.writes.delete_contact("acme", "u1", 2)
    await full.writes.put_contacts([contact("u9", version=2), contact("u3", version=2, name="Ann")])
    page = await full.contacts.page("acme", 0, 2**54)
    assert [(row.uuid, row.name) for row in page.rows] == [
        (uuid, "Ann" if uuid == "u3" else "") for uuid in sorted(order) if uuid != "u1"
    ]


async def test_an_empty_lookup(full: Backend) -> None:
    """A lookup without keys returns no rows."""
    rows = await full.tables.lookup(LookupKeys())

    parts = (rows.recipients, rows.groups, rows.account_pages, rows.contacts, rows.roles)
    assert [dict(part) for part in parts] == [{}] * 5


async def test_role_pages_in_id_order(full: Backend) -> None:
    """The pages return every holder once, in id order; the last cursor is None."""
    names = [f"{n:03d}" for n in range(25)]
    await full.writes.put_recipients([person(name, "admin") for name in reversed(names)])

    seen, cursor, pages = [], "", 0
    while True:
        page = await full.tables.role("admin", cursor, 5)
        seen += [member.id for member in page.members]
        pages += 1
        if page.cursor is None:
            break
        cursor = page.cursor

    assert seen == names
    assert pages == 5


async def test_role_index_follows_the_row(full: Backend) -> None:
    """The next read sees a lost role, a new role and a deletion."""
    await full.writes.put_recipients([person("alice", "admin", version=1), person("bob", "admin", version=1)])
    await full.writes.put_recipients([person("alice", "user", version=2)])
    await full.writes.delete_recipient("bob", 2)

    assert (await full.tables.role("admin", "")).members == ()
    assert [m.id for m in (await full.tables.role("user", "")).members] == ["alice"]

    await full.writes.put_recipients(
        [person("alice", "admin", version=3), person("alice", "user", version=4)]
    )
    await full.writes.put_recipients([person("alice", "user", "admin", version=5)])

    assert [m.id for m in (await full.tables.role("admin", "")).members] == ["alice"]


async def test_an_older_version_replaces_nothing(full: Backend) -> None:
    """A lower version is refused, an equal one may be written again."""
    new = person("alice", address="new@example.com", version=2)

    assert await full.writes.put_recipients([new, person("alice", version=1), new]) == [True, False, True]
    assert (await full.tables.lookup(LookupKeys({"alice"}))).recipients == {"alice": new}
    assert await full.writes.put_group(Group(external_id="1", version=2))
    assert not await full.writes.put_group(Group(external_id="1", version=1))
    assert await full.writes.put_contacts([contact("u", version=2), contact("u", version=1)]) == [True, False]


async def test_an_older_record_does_not_restore_a_deleted_row(full: Backend) -> None:
    """A tombstone refuses older rows and accepts newer ones; an older deletion deletes nothing."""
    await full.writes.put_recipients([person("alice", "admin", version=5)])
    await full.writes.put_contacts([contact("u", version=5)])

    assert not await full.writes.delete_recipient("alice", 4)
    assert not await full.writes.delete_contact("acme", "u", 4)
    assert await full.writes.delete_recipient("alice", 6)
    assert await full.writes.delete_contact("acme", "u", 6)
    assert await full.writes.put_recipients([person("alice", "admin", version=5)]) == [False]
    assert await full.writes.put_contacts([contact("u", version=5)]) == [False]
    gone = await full.tables.lookup(LookupKeys({"alice"}, account_pages={"acme"}, roles={"admin"}))
    assert (dict(gone.recipients), gone.roles["admin"].members) == ({}, ())
    assert list(gone.account_pages["acme"].contacts) == []

    assert await full.writes.put_recipients([person("alice", version=7)]) == [True]
    assert await full.writes.put_contacts([contact("u", version=7)]) == [True]
    assert (await full.tables.lookup(LookupKeys({"alice"}))).recipients.keys() == {"alice"}


async def test_every_id_has_its_own_row(full: Backend) -> None:
    """Ids may contain any character; none collides with another or breaks the cluster's hash tags."""
    await full.writes.put_recipients([person(name, name, address=f"{n}@x.org") for n, name in enumerate(ODD)])
    await full.writes.put_contacts([contact(name, name, name=name) for name in ODD])
    for name in ODD:
        await full.writes.put_group(Group(external_id=name, project_id=name, addresses={"t": (name,)}))

    rows = await full.tables.lookup(
        LookupKeys(set(ODD), {(n, n) for n in ODD}, set(ODD), account_pages=set(ODD))
    )

    assert {i: row.address for i, row in rows.recipients.items()} == {
        i: f"{n}@x.org" for n, i in enumerate(ODD)
    }
    assert {g: row.addresses["t"] for g, row in rows.groups.items()} == {(n, n): (n,) for n in ODD}
    assert {a: [c.uuid for c in page.contacts] for a, page in rows.account_pages.items()} == {
        n: [n] for n in ODD
    }
    assert {role: [m.id for m in page.members] for role, page in rows.roles.items()} == {n: [n] for n in ODD}


async def test_a_batch_beyond_one_chunk_is_whole(full: Backend) -> None:
    """More rows than one script call takes are all written and all read."""
    names = {f"user{n}" for n in range(1203)}

    written = await full.writes.put_recipients([person(name, "user") for name in sorted(names)])

    assert len(written) == len(names)
    assert all(written)
    assert (await full.tables.lookup(LookupKeys(names))).recipients.keys() == names


async def test_a_suppression_blocks_an_address_until_it_is_deleted(full: Backend) -> None:
    """A suppression ignores case, has a reason, and does not contain the address."""
    reply = "550 <bob@example.com> unknown"
    await full.writes.put_suppression(*suppression("Bob@Example.com", Reason.mailbox_unknown, 5, reply))

    addresses = ("bob@example.com", "eve@example.com", " BOB@EXAMPLE.COM")
    assert [await full.tables.suppression(one) is not None for one in addresses] == [True, False, True]
    stored = await full.tables.suppression("bob@example.com")
    assert stored is not None
    assert (stored.reason, stored.at_ms, stored.detail) == (Reason.mailbox_unknown, 5, "550 <…> unknown")
    key = address_key("bob@example.com")
    assert not await full.writes.delete_suppression(key, 4)
    assert await full.writes.delete_suppression(key, 6)
    assert await full.tables.suppression("bob@example.com") is None


async def test_an_unsubscribe_blocks_until_it_is_deleted(full: Backend) -> None:
    """Unsubscribes and suppressions come in the order of the queries; a late writer does not restore one."""
    row = Unsubscribe(id=unsubscribe_key("", "bob", "overbid"), type="overbid", by="a link", version=5)
    other = unsubscribe_key("acme", "bob", "overbid")
    await full.writes.put_suppression(*suppression("eve@example.com", Reason.mailbox_unknown, 7))

    assert await full.writes.put_unsubscribe(row)
    blocks = await full.tables.blocks([("bob@example.com", row.id), ("eve@example.com", other), ("", "")])
    assert blocks[0] == MailBlock(None, Choice(on=False, since_ms=5, by="a link"))
    assert blocks[1].unsubscribed is None
    assert blocks[1].suppression is not None
    assert blocks[2] == MailBlock()
    assert await full.tables.unsubscribed(row.id) == row
    assert await full.writes.delete_unsubscribe(row.id, 6)
    assert not await full.writes.put_unsubscribe(row)
    assert await full.tables.blocks([("bob@example.com", row.id)]) == [MailBlock()]
    assert await full.tables.unsubscribed(row.id) is None


async def test_a_suppression_may_expire(full: Backend) -> None:
    """A suppression with an end is in force before it and not after it."""
    key, row = suppression("bob@example.com", Reason.mailbox_full, 5, "full", 50)
    await full.writes.put_suppression(key, row)

    found = await full.tables.suppression("bob@example.com")
    assert found == row
    assert [row.in_force(now) for now in (49, 50)] == [True, False]
