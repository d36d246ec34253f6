"""What the inbox ports promise. The backend's inboxes hold five entries."""

import asyncio

import pytest

from service.ports import InboxChangeKind, InboxItem, InboxQuery, ReadFilter
from tests.specs.backend import CAP, Backend

BOB = "bob {x}"


def item(
    name: str, created_ms: int = 1, kind: str = "overbid", recipient: str = BOB, **more: int
) -> InboxItem:
    meta = {"lot_id": "1", "tags": [], "deep": {"a": None}}
    return InboxItem(name, recipient, kind, 6, created_ms, meta, "You were overbid", "e1", **more)


async def unread(backend: Backend, recipient: str = BOB) -> list[str]:
    """The unread ids, after checking that the counts agree with them."""
    items = await backend.inbox.unread(recipient)
    assert sum((await backend.inbox.counts(recipient)).values()) == len(items)
    assert await backend.drift(recipient) == []
    return [one.id for one in items]


async def ids(backend: Backend, **query: object) -> list[str]:
    return [one.id for one in (await backend.reads.page(InboxQuery(BOB, **query))).items]  # type: ignore[arg-type]


async def test_add_is_idempotent(backend: Backend) -> None:
    """An entry is added once; one that was read stays read, one that was removed stays away."""
    batch = [item("a"), item("b", 2, "winner"), item("a"), item("a2", recipient="alice")]

    assert list(await backend.inbox.add(batch)) == [True, True, False, True]
    assert await backend.inbox.counts(BOB) == {"overbid": 1, "winner": 1}
    await backend.inbox.mark_read(BOB, ["a"], 9)
    await backend.inbox.remove(BOB, ["b"])
    assert list(await backend.inbox.add(batch)) == [False] * 4
    assert await unread(backend) == []
    assert await unread(backend, "alice") == ["a2"]


async def test_an_entry_comes_back_as_it_was(backend: Backend) -> None:
    """Nothing of an entry is lost or changed, empty lists and nulls included."""
    await backend.inbox.add([item("a", expires_ms=backend.clock.now + 5)])

    assert list(await backend.inbox.unread(BOB)) == [item("a", expires_ms=backend.clock.now + 5)]


async def test_unread_is_in_order(backend: Backend) -> None:
    """The unread list is ordered by created_at, then id, either way, and can be cut."""
    await backend.inbox.add([item("c", 2), item("b", 1), item("a", 2)])

    assert await unread(backend) == ["b", "a", "c"]
    newest = await backend.inbox.unread(BOB, descending=True, limit=2)
    assert [one.id for one in newest] == ["c", "a"]


async def test_mark_read_tells_apart(backend: Backend) -> None:
    """True for what is now read, False for what was, None for what is another's, which stays as it was."""
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
    assert list(await backend.inbox.mark_read("nobody", [], 7)) == []


async def test_owner_is_known(backend: Backend) -> None:
    """Whose entry an id is can be told, read or not; for an id of nobody, and of a removed entry, None."""
    await backend.inbox.add([item("a"), item("b", recipient="eve")])
    await backend.inbox.mark_read(BOB, ["a"], 7)
    await backend.inbox.remove("eve", ["b"])

    assert [await backend.inbox.owner(one) for one in ("a", "b", "c")] == [BOB, None, None]


async def test_remove_counts_what_was_there(backend: Backend) -> None:
    """Removal takes read and unread entries, only of that recipient."""
    await backend.inbox.add([item("a"), item("b"), item("c"), item("other", recipient="eve")])
    await backend.inbox.mark_read(BOB, ["a"], 7)

    assert await backend.inbox.remove(BOB, ["a", "b", "none", "other"]) == 2
    assert await unread(backend) == ["c"]
    assert await unread(backend, "eve") == ["other"]


async def test_the_cap_drops_read_ones_first(backend: Backend) -> None:
    """Beyond the cap the oldest read entries go, then the oldest; a replay does not bring them back."""
    await backend.inbox.add([item(f"i{n}", n) for n in range(CAP)])
    await backend.inbox.mark_read(BOB, ["i3", "i4"], 7)
    await backend.inbox.add([item("j0", 10)])

    assert await ids(backend, shown=ReadFilter.all) == ["i0", "i1", "i2", "i4", "j0"]
    await backend.inbox.add([item("j1", 11), item("j2", 12)])
    assert await unread(backend) == ["i1", "i2", "j0", "j1", "j2"]
    assert list(await backend.inbox.add([item(f"i{n}", n) for n in range(CAP)])) == [False] * CAP
    assert await unread(backend) == ["i1", "i2", "j0", "j1", "j2"]


async def test_entries_expire(backend: Backend) -> None:
    """An entry is gone after its time from every list and count, and a replay does not bring it back."""
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
    """Following the cursor visits what was asked for once, in order, also among equal times."""
    await backend.inbox.add([item(n, at) for n, at in (("e", 1), ("a", 2), ("d", 2), ("c", 2), ("b", 3))])
    await backend.inbox.mark_read(BOB, ["d", "b"], 7)
    wanted = {ReadFilter.all: "eacdb", ReadFilter.read: "db", ReadFilter.unread: "eac"}[shown]

    seen, after = "", ""
    for _ in range(9):
        page = await backend.reads.page(InboxQuery(BOB, shown, descending=descending, after=after, limit=2))
        seen += "".join(one.id for one in page.items)
        after = page.cursor
        if not after:
            break

    assert seen == (wanted[::-1] if descending else wanted)


async def test_a_page_goes_on_where_its_edge_was_read(backend: Backend) -> None:
    """A cursor holds although the entry it names has left the list meanwhile."""
    await backend.inbox.add([item(n, 1) for n in "abcd"])
    page = await backend.reads.page(InboxQuery(BOB, limit=2))
    await backend.inbox.mark_read(BOB, ["b"], 7)

    rest = await backend.reads.page(InboxQuery(BOB, after=page.cursor, limit=2))
    assert [one.id for one in rest.items] == ["c", "d"]
    assert rest.cursor == ""
    with pytest.raises(ValueError, match="cursor"):
        await backend.reads.page(InboxQuery(BOB, after="nonsense"))


async def test_pages_filter_by_type(backend: Backend) -> None:
    """Only entries of the types that were asked for count towards a page."""
    await backend.inbox.add(
        [item("a", 1), item("b", 2, "winner"), item("c", 3, "other"), item("d", 4, "winner")]
    )

    page = await backend.reads.page(InboxQuery(BOB, types=frozenset({"winner"}), limit=2))
    assert ([one.id for one in page.items], page.cursor) == (["b", "d"], "")
    assert await ids(backend, types=frozenset({"winner", "other"})) == ["b", "c", "d"]


async def test_changes_can_be_followed(backend: Backend) -> None:
    """From a position on, every change comes in order: new entries whole, read and removed ones by id."""
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
    """Who asks from a position that is no longer kept, or never was one, is told to take a snapshot."""
    await backend.inbox.add([item("a")])

    assert await backend.changes.since(BOB, "9-9") is None
    assert await backend.changes.since(BOB, "nonsense") is None
    assert await backend.changes.since("new", "0-0") == []


async def test_moved_waits_for_a_change(backend: Backend) -> None:
    """A listener to several inboxes wakes when one of them changes, at once if it has, and not otherwise."""
    await backend.inbox.add([item("a")])
    positions = {name: await backend.changes.position(name) for name in (BOB, "eve")}

    assert list(await backend.changes.moved(positions, 0.05)) == []
    waiting = asyncio.create_task(backend.changes.moved(positions, 10))
    await backend.inbox.add([item("b", recipient="eve")])
    assert list(await waiting) == ["eve"]
    assert list(await backend.changes.moved({BOB: "0-0"}, 10)) == [BOB]


async def test_a_batch_beyond_one_chunk_is_whole(backend: Backend) -> None:
    """More entries than one script call takes, for many recipients, are all added, each with its own answer."""
    items = [item(f"i{n}", recipient=f"r{n % 400}") for n in range(1203)]

    await backend.inbox.add(items[::3])

    assert list(await backend.inbox.add(items)) == [n % 3 != 0 for n in range(1203)]
    assert sorted(await unread(backend, "r3")) == ["i3", "i403", "i803"]
    assert await backend.inbox.owner("i1202") == "r2"


async def test_what_was_read_is_known_for_many_at_once(backend: Backend) -> None:
    """An entry counts as read only while it stands in that recipient's inbox, marked."""
    await backend.inbox.add([item("a"), item("b"), item("c", recipient="alice")])
    await backend.inbox.mark_read(BOB, ["a"], 9)

    asked = [(BOB, "a"), (BOB, "b"), ("alice", "a"), ("alice", "c"), ("nobody", "a")]
    assert list(await backend.inbox.were_read(asked)) == [True, False, False, False, False]
    await backend.inbox.remove(BOB, ["a"])
    assert list(await backend.inbox.were_read([(BOB, "a")])) == [False]
    assert list(await backend.inbox.were_read([])) == []
