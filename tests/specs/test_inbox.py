"""Specs of the inbox ports. The backend's inboxes hold five entries."""

import asyncio
from typing import Any

import pytest

from service.ports import InboxChangeKind, InboxItem, InboxQuery, ReadFilter
from tests.specs.backend import CAP, Backend

BOB = "bob {x}"


def item(
    name: str, created_ms: int = 1, kind: str = "overbid", recipient: str = BOB, **more: Any
) -> InboxItem:
    meta = {"lot_id": "1", "tags": [], "deep": {"a": None}}
    return InboxItem(name, recipient, kind, 6, created_ms, meta, "You were overbid", "e1", **more)


async def unread(backend: Backend, recipient: str = BOB) -> list[str]:
    """Return the unread ids, after checking that the counts agree with them."""
    items = await backend.inbox.unread(recipient)
    assert sum((await backend.inbox.counts(recipient)).values()) == len(items)
    assert await backend.drift(recipient) == []
    return [one.id for one in items]


async def ids(backend: Backend, **query: object) -> list[str]:
    return [one.id for one in (await backend.reads.page(InboxQuery(BOB, **query))).items]  # type: ignore[arg-type]


async def test_add_is_idempotent(backend: Backend) -> None:
    """An entry is added once; one that was read stays read, one that was removed is not added again."""
    batch = [item("a"), item("b", 2, "winner"), item("a"), item("a2", recipient="alice")]

    assert list(await backend.inbox.add(batch)) == [True, True, False, True]
    assert await backend.inbox.counts(BOB) == {"overbid": 1, "winner": 1}
    await backend.inbox.mark_read(BOB, ["a"], 9)
    await backend.inbox.remove(BOB, ["b"])
    assert list(await backend.inbox.add(batch)) == [False] * 4
    assert await unread(backend) == []
    assert await unread(backend, "alice") == ["a2"]


async def test_an_entry_is_stored_unchanged(backend: Backend) -> None:
    """Nothing of an entry is lost or changed, empty lists and nulls included."""
    items = [item("a", expires_ms=backend.clock.now + 5), item("b", brand="acme")]
    await backend.inbox.add(items)

    assert list(await backend.inbox.unread(BOB)) == items


async def test_unread_is_in_order(backend: Backend) -> None:
    """The unread list is ordered by created_at, then id, either way, and can be cut."""
    await backend.inbox.add([item("c", 2), item("b", 1), item("a", 2)])

    assert await unread(backend) == ["b", "a", "c"]
    newest = await backend.inbox.unread(BOB, descending=True, limit=2)
    assert [one.id for one in newest] == ["c", "a"]


async def test_mark_read_reports_each_entry(backend: Backend) -> None:
    """Return True for now read, False for read before, None for another recipient's entry, which stays unread."""
    await backend.inbox.add([item("a"), item("b"), item("other", recipient="eve")])

    assert list(await backend.inbox.mark_read(BOB, ["a", "other", "none", "a"], 7)) == [
        True,
        None,
        None,
        False,
    ]
    assert await unread(backend) == ["b"]
    assert await unread(backend, "eve") == ["other"]
    page = await backend.reads.page(InboxQuery(BOB, ReadFilter.read))
    assert [(one.id, one.read_ms) for one in page.items] == [("a", 7)]
    assert list(await backend.inbox.mark_read("unknown", [], 7)) == []


async def test_remove_returns_how_many_there_were(backend: Backend) -> None:
    """Read and unread entries are removed, only of that recipient."""
    await backend.inbox.add([item("a"), item("b"), item("c"), item("other", recipient="eve")])
    await backend.inbox.mark_read(BOB, ["a"], 7)

    assert await backend.inbox.remove(BOB, ["a", "b", "none", "other"]) == 2
    assert await unread(backend) == ["c"]
    assert await unread(backend, "eve") == ["other"]


async def test_the_cap_drops_read_entries_first(backend: Backend) -> None:
    """Over the cap the oldest read entries are dropped, then the oldest; a replay does not add them again."""
    await backend.inbox.add([item(f"i{n}", n) for n in range(CAP)])
    await backend.inbox.mark_read(BOB, ["i3", "i4"], 7)
    await backend.inbox.add([item("j0", 10)])

    assert await ids(backend, shown=ReadFilter.all) == ["i0", "i1", "i2", "i4", "j0"]
    await backend.inbox.add([item("j1", 11), item("j2", 12)])
    assert await unread(backend) == ["i1", "i2", "j0", "j1", "j2"]
    assert list(await backend.inbox.add([item(f"i{n}", n) for n in range(CAP)])) == [False] * CAP
    assert await unread(backend) == ["i1", "i2", "j0", "j1", "j2"]


async def test_entries_expire(backend: Backend) -> None:
    """An expired entry is in no list and no count, and a replay does not add it again."""
    soon = item("a", expires_ms=backend.clock.now + 1000)
    await backend.inbox.add([item("b", expires_ms=backend.clock.now + 2000), soon, item("c")])
    await backend.inbox.mark_read(BOB, ["b"], 7)
    backend.clock.advance(1000)

    assert await unread(backend) == ["c"]
    assert await ids(backend, shown=ReadFilter.all) == ["b", "c"]
    assert list(await backend.inbox.mark_read(BOB, ["a"], 9)) == [None]
    assert list(await backend.inbox.add([soon])) == [False]
    backend.clock.advance(1000)
    assert await ids(backend, shown=ReadFilter.all) == ["c"]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("shown", list(ReadFilter))
async def test_pages_visit_each_entry_once(backend: Backend, shown: ReadFilter, descending: bool) -> None:
    """The pages return every selected entry once, in order, also among equal times."""
    await backend.inbox.add([item(n, at) for n, at in (("e", 1), ("a", 2), ("d", 2), ("c", 2), ("b", 3))])
    await backend.inbox.mark_read(BOB, ["d", "b"], 7)
    expected = {ReadFilter.all: "eacdb", ReadFilter.read: "db", ReadFilter.unread: "eac"}[shown]

    seen, after = "", ""
    for _ in range(9):
        page = await backend.reads.page(InboxQuery(BOB, shown, descending=descending, after=after, limit=2))
        seen += "".join(one.id for one in page.items)
        after = page.cursor
        if not after:
            break

    assert seen == (expected[::-1] if descending else expected)


async def test_a_cursor_stays_valid_when_its_entry_is_read(backend: Backend) -> None:
    """The next page continues after the cursor's entry, although it has left the list meanwhile."""
    await backend.inbox.add([item(n, 1) for n in "abcd"])
    page = await backend.reads.page(InboxQuery(BOB, limit=2))
    await backend.inbox.mark_read(BOB, ["b"], 7)

    rest = await backend.reads.page(InboxQuery(BOB, after=page.cursor, limit=2))
    assert [one.id for one in rest.items] == ["c", "d"]
    assert rest.cursor == ""
    with pytest.raises(ValueError, match="cursor"):
        await backend.reads.page(InboxQuery(BOB, after="nonsense"))


async def test_pages_filter_by_type(backend: Backend) -> None:
    """Only entries of the selected types count towards a page."""
    await backend.inbox.add(
        [item("a", 1), item("b", 2, "winner"), item("c", 3, "other"), item("d", 4, "winner")]
    )

    page = await backend.reads.page(InboxQuery(BOB, types=frozenset({"winner"}), limit=2))
    assert ([one.id for one in page.items], page.cursor) == (["b", "d"], "")
    assert await ids(backend, types=frozenset({"winner", "other"})) == ["b", "c", "d"]


async def test_changes_can_be_followed(backend: Backend) -> None:
    """Every change after a position comes in order: new entries in full, read and removed ones by id."""
    start = await backend.changes.position(BOB)
    await backend.inbox.add([item("a"), item("b")])
    middle = await backend.changes.position(BOB)
    await backend.inbox.mark_read(BOB, ["a"], 7)
    await backend.inbox.remove(BOB, ["b"])

    every = await backend.changes.since(BOB, start)
    assert every is not None
    assert [(change.kind, list(change.ids)) for change in every] == [
        (InboxChangeKind.new, ["a"]),
        (InboxChangeKind.new, ["b"]),
        (InboxChangeKind.read, ["a"]),
        (InboxChangeKind.removed, ["b"]),
    ]
    assert every[0].item == item("a", read_ms=7)
    later = await backend.changes.since(BOB, middle)
    assert later is not None
    assert [change.kind for change in later] == [InboxChangeKind.read, InboxChangeKind.removed]
    assert list(await backend.changes.since(BOB, every[-1].position) or []) == []
    assert await backend.changes.position(BOB) == every[-1].position


async def test_a_lost_position_is_a_gap(backend: Backend) -> None:
    """Return None for a position that is no longer kept or is not one: the caller must read a snapshot."""
    await backend.inbox.add([item("a")])

    assert await backend.changes.since(BOB, "9-9") is None
    assert await backend.changes.since(BOB, "nonsense") is None
    assert await backend.changes.since(BOB, "0-0") is None
    position = await backend.changes.position("new")
    assert await backend.changes.since("new", position) == []


async def test_changes_are_kept_from_the_first_listener_on(backend: Backend) -> None:
    """A stream costs 4 kB, and most inboxes have no listener: the changes before it are in the snapshot."""
    await backend.inbox.add([item("a")])
    start = await backend.changes.position(BOB)
    assert await backend.changes.position(BOB) == start
    await backend.inbox.add([item("b")])

    changes = await backend.changes.since(BOB, start)
    assert changes is not None
    assert [list(change.ids) for change in changes] == [["b"]]


async def test_a_wait_ends_with_a_change(backend: Backend) -> None:
    """A wait for several inboxes ends when one of them changes, at once if it has changed already."""
    await backend.inbox.add([item("a")])
    positions = {name: await backend.changes.position(name) for name in (BOB, "eve")}

    assert list(await backend.changes.wait_for_changes(positions, 0.05)) == []
    waiting = asyncio.create_task(backend.changes.wait_for_changes(positions, 10))
    await backend.inbox.add([item("b", recipient="eve")])
    assert list(await waiting) == ["eve"]
    assert list(await backend.changes.wait_for_changes({"eve": positions["eve"]}, 10)) == ["eve"]


async def test_a_batch_beyond_one_chunk_is_whole(backend: Backend) -> None:
    """More entries than one script call takes, for many recipients, are all added, each with its own result."""
    items = [item(f"i{n}", recipient=f"r{n % 400}") for n in range(1203)]

    await backend.inbox.add(items[::3])

    assert list(await backend.inbox.add(items)) == [n % 3 != 0 for n in range(1203)]
    assert sorted(await unread(backend, "r3")) == ["i3", "i403", "i803"]


async def test_read_marks_of_many_entries_come_in_one_call(backend: Backend) -> None:
    """An entry counts as read only while it is in that recipient's inbox and marked."""
    await backend.inbox.add([item("a"), item("b"), item("c", recipient="alice")])
    await backend.inbox.mark_read(BOB, ["a"], 9)

    entries = [(BOB, "a"), (BOB, "b"), ("alice", "a"), ("alice", "c"), ("unknown", "a")]
    assert list(await backend.inbox.were_read(entries)) == [True, False, False, False, False]
    await backend.inbox.remove(BOB, ["a"])
    assert list(await backend.inbox.were_read([(BOB, "a")])) == [False]
    assert list(await backend.inbox.were_read([])) == []
