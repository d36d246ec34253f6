"""Spec of the DigestWindows port."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.holds.digest import DigestItem, digest_of
from service.model.ids import delivery_id, event_key
from service.ports import DigestContent, DigestPlace
from tests.specs.backend import Backend

NOW, DUE = 1_700_000_000_000, 1_700_000_900_000


def delivery(n: int, recipient: str = "alice", text: str = "") -> Delivery:
    event = event_key("s", str(n))
    return Delivery(
        id=delivery_id(event, recipient, "email"), event=event, event_id=str(n), source="s", type="overbid",
        channel=Channel.email, recipient=recipient, rule=AudienceRule.users, created_ms=NOW,
        received_ms=NOW + n, deadline_ms=DUE * 2, document=json_document({"text": text}),
    )  # fmt: skip


def item(
    n: int, recipient: str = "alice", window: str = "bids|", text: str = "", due_ms: int = DUE
) -> DigestItem:
    one = delivery(n, recipient, text)
    return DigestItem(one, window, digest_of(one, "bids", NOW + n), due_ms)


async def items_of(backend: Backend, *digests: Delivery) -> list[list[int] | None]:
    """Return the numbers of the items of each digest."""
    contents = await backend.windows.content([(digest.recipient, digest.id) for digest in digests])
    return [numbers(content) for content in contents]


def numbers(content: DigestContent | None) -> list[int] | None:
    return None if content is None else [int(one.event_id) for one in content.items]


def place(opener: DigestItem, due_ms: int = DUE, *, opened: bool = False) -> DigestPlace:
    return DigestPlace(opener.digest.id, opener.digest.created_ms, due_ms, opened)


async def test_the_first_item_opens_a_window_and_the_next_ones_are_put_into_it(backend: Backend) -> None:
    """The place of an item is the same when it is put again, and says when the window was opened and when it closes."""
    first, second = item(1), item(2, due_ms=DUE + 5)
    for _ in range(2):
        assert list(await backend.windows.add([first, second])) == [
            place(first, opened=True),
            place(first),
        ]
    assert list(await backend.windows.add([])) == []
    assert list(await backend.windows.content([("alice", first.digest.id), ("alice", "0")])) == [
        DigestContent(NOW + 1, [first.delivery, second.delivery]),
        None,
    ]
    assert list(await backend.windows.sizes([("alice", first.digest.id), ("alice", "0")])) == [2, 0]
    items = [("alice", first.delivery.id), ("bob", first.delivery.id), ("alice", item(9).delivery.id)]
    assert list(await backend.windows.digests_of(items)) == [first.digest.id, "", ""]


async def test_recipients_and_window_keys_have_windows_of_their_own(backend: Backend) -> None:
    """An item is never in a digest of another recipient, group or table."""
    items = [item(1), item(2, "bob {x}"), item(3, window="news|\n é"), item(4, window="news|\n é")]
    places = await backend.windows.add(items)
    assert [one.opened for one in places] == [True, True, True, False]
    assert await items_of(backend, *(one.digest for one in items)) == [[1], [2], [3, 4], None]


async def test_a_sealed_window_takes_no_more_and_keeps_what_it_has(backend: Backend) -> None:
    """Sealing again returns the same; an item in it stays there; the next one opens another window."""
    first, second, third = item(1), item(2), item(3)
    await backend.windows.add([second, first])
    for _ in range(2):
        assert list(await backend.windows.seal([second.digest, item(9).digest])) == [2, 0]
        assert await items_of(backend, second.digest) == [[1, 2]]
    places = await backend.windows.add([first, third, second])
    assert list(places) == [place(second), place(third, opened=True), place(second, opened=True)]
    assert await items_of(backend, second.digest, third.digest) == [[1, 2], [3]]


async def test_a_window_is_full_at_a_thousand_items(backend: Backend) -> None:
    """The next one opens another window that closes at the same time."""
    items = [item(n, due_ms=DUE + n) for n in range(1002)]
    places = [
        one for start in range(0, 1002, 250) for one in await backend.windows.add(items[start : start + 250])
    ]
    assert places[999:] == [
        place(items[0], DUE),
        place(items[1000], DUE, opened=True),
        place(items[1000], DUE),
    ]
    digests = [items[0].digest, items[1000].digest]
    assert list(await backend.windows.seal(digests)) == [1000, 2]
    assert await items_of(backend, *digests) == [[*range(1000)], [1000, 1001]]


async def test_a_window_is_full_at_a_mebibyte(backend: Backend) -> None:
    """An item that is larger than that is alone."""
    items = [item(n, text="x" * 400_000) for n in range(3)]
    items.append(item(3, text="x" * 1_100_000))
    places = await backend.windows.add(items)
    assert [one.opened for one in places] == [True, False, True, True]


async def test_a_removed_window_is_not_there(backend: Backend) -> None:
    """An item of it that comes again opens a window, as any other."""
    first, second, other = item(1), item(2), item(3, window="news|")
    await backend.windows.add([first, second, other])
    await backend.windows.remove([("alice", first.digest.id), ("alice", "0")])
    await backend.windows.remove([])
    assert await items_of(backend, first.digest, other.digest) == [None, [3]]
    assert list(await backend.windows.seal([first.digest])) == [0]
    assert list(await backend.windows.add([second])) == [place(second, opened=True)]


async def test_a_digest_is_restored(backend: Backend) -> None:
    """Its window is open again, unless it is sealed or another one is open; restoring again changes nothing."""
    first, second, third, fourth = item(1), item(2), item(3), item(4)
    for _ in range(2):
        await backend.windows.restore(first.digest, "bids|", [first.delivery], 0)
        await backend.windows.restore(second.digest, "bids|", [second.delivery], DUE)
        await backend.windows.restore(third.digest, "bids|", [third.delivery], DUE)
        await backend.windows.restore(item(9).digest, "bids|", [], 0)
    assert list(await backend.windows.add([fourth, third])) == [place(second), place(third, opened=True)]
    digests = [one.digest for one in (first, second, third)]
    assert await items_of(backend, *digests, item(9).digest) == [[1], [2, 4], [3], []]


async def test_restoring_moves_an_item_and_seals_a_window(backend: Backend) -> None:
    """The newest statement in which digest an item is counts: it is in no other."""
    first, second = item(1), item(2)
    await backend.windows.add([first, second])
    many = [delivery(n) for n in range(10, 260)]
    await backend.windows.restore(item(3).digest, "bids|", [second.delivery, *many], 0)
    assert await items_of(backend, first.digest, item(3).digest) == [[1], [2, *range(10, 260)]]
    await backend.windows.restore(first.digest, "bids|", [], 0)
    assert list(await backend.windows.add([item(4)])) == [place(item(4), opened=True)]


async def test_workers_that_race_put_each_item_into_exactly_one_digest(backend: Backend) -> None:
    """Windows are sealed while items are added and added again: what was sealed stays the same."""
    sealed: dict[str, list[int] | None] = {}

    async def add(items: Sequence[DigestItem]) -> None:
        for one in await backend.windows.add(items):
            digests.setdefault(one.digest, None)

    async def seal(ids: Sequence[str]) -> None:
        known = [one.digest for one in every if one.digest.id in ids]
        sizes = await backend.windows.seal(known)
        for digest, size, items in zip(known, sizes, await items_of(backend, *known), strict=True):
            assert size == len(items or ())
            assert sealed.setdefault(digest.id, items) == items

    digests: dict[str, None] = {}
    every = [item(n) for n in range(300)]
    for start in range(0, 300, 20):
        await asyncio.gather(
            add(every[start : start + 15]), seal([*digests][-2:]), add(every[start + 5 : start + 20]),
            seal([*digests][-1:]), add(every[max(0, start - 20) : start + 20]),
        )  # fmt: skip
    await seal([*digests])
    counts = Counter(n for content in sealed.values() for n in content or ())
    assert counts == dict.fromkeys(range(300), 1)
    assert len(sealed) > 1


async def test_digests_expire(store: Store) -> None:
    """What Redis has of them is kept until 10 days after the latest one is due."""
    windows, key = RedisDigestWindows(store), store.keys.digests("alice")
    late = item(2, window="news|", due_ms=DUE + 86_400_000)
    await windows.add([item(1), late])
    await windows.add([item(3)])
    names = [key, f"{key}:open", f"{key}:items", f"{key}:{late.digest.id}", f"{key}:{item(1).digest.id}"]
    kept_ms = await store.pipeline([("PTTL", name) for name in names])
    days = [ms / 86_400_000 for ms in kept_ms]
    assert days == pytest.approx([11, 11, 11, 11, 10], abs=0.1)
