"""Expiry of keys, and limits on their size."""

import time

import pytest
from redis.asyncio import Redis

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.supersede_index import RedisSupersedeIndex
from service.adapters.redis.inbox.changes import RedisInboxChanges
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.places import head_field
from service.adapters.redis.tables.writes import RedisTableWrites
from service.model.event import Event
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.validators import MAX_DURATION_S
from service.ports import EventHead, InboxItem
from tests.fakes.clock import FakeClock
from tests.support.ledger_rows import buckets, place_of_row, row_of

HOUR_S, DAY_S = 3600, 86_400
E = event_key("s", "i")


def head(key: str, retention_s: int, *, deliveries: int = 1) -> EventHead:
    return EventHead(Event(key, "i", "s", "t", 1, 1, {}), retention_s, deliveries)


def new_entry(event: str, recipient: str) -> NewEntry:
    return NewEntry(
        event, delivery_id(event, recipient, "email"), recipient, "email", State.queued, Reason.none, 1
    )


async def expiries(raw: Redis, store: Store) -> dict[str, int]:
    """Return every key of this store without its prefix, and its TTL in seconds (-1: none)."""
    names = [name async for name in raw.scan_iter(f"{store.keys.prefix}*", count=10_000)]
    return {name.decode().removeprefix(store.keys.prefix): await raw.ttl(name) for name in names}


def kept_at_most(seconds: int) -> float:
    """Return the longest TTL of what is kept for so many seconds."""
    return 1.5 * seconds + 2 * HOUR_S


async def ttl_of_head(raw: Redis, store: Store, event: str) -> int:
    """Return the TTL of the bucket that has an event's head."""
    octets = bytes.fromhex(event)
    (ttl,) = [
        await raw.ttl(bucket.key)
        async for bucket in buckets(store, octets[0])
        if head_field(octets) in bucket.fields
    ]
    return ttl


@pytest.mark.parametrize(
    "retention_s", [60, HOUR_S, 5 * HOUR_S, DAY_S, 30 * DAY_S, 400 * DAY_S, MAX_DURATION_S]
)
async def test_an_event_is_kept_for_its_retention(store: Store, raw: Redis, retention_s: int) -> None:
    """All that `open` writes for an event is kept at least so long, and not much longer."""
    ledger = RedisLedger(store)
    await ledger.open([head(E, retention_s)], [new_entry(E, "bob")])

    kept = {name: ttl for name, ttl in (await expiries(raw, store)).items() if name.startswith("{l")}
    assert kept.pop("{l}:names") == -1
    assert len(kept) == 2
    assert all(retention_s - 5 <= ttl <= kept_at_most(retention_s) for ttl in kept.values())


@pytest.mark.parametrize("deliveries", [1, 2000])
@pytest.mark.parametrize("later_s", [60, 400 * DAY_S])
async def test_a_later_retention_changes_nothing(
    store: Store, raw: Redis, later_s: int, deliveries: int
) -> None:
    """An event is kept as it was opened first, with the deliveries that are entered later."""
    ledger, names = RedisLedger(store), [f"r{n}" for n in range(300)]
    await ledger.open([head(E, 30 * DAY_S, deliveries=deliveries)], [new_entry(E, "bob")])
    await ledger.open([head(E, later_s, deliveries=deliveries)], [new_entry(E, name) for name in names])
    await ledger.open([], [new_entry(E, "eve")])

    assert 30 * DAY_S - 5 <= await ttl_of_head(raw, store, E) <= kept_at_most(30 * DAY_S)
    for name in ("bob", "eve", *names[::50]):
        bucket, _ = await place_of_row(store, new_entry(E, name).delivery)
        assert 30 * DAY_S - 5 <= await raw.ttl(bucket) <= kept_at_most(30 * DAY_S)
    assert {entry.recipient async for entry in ledger.entries(E)} == {"bob", "eve", *names}


async def test_every_bucket_of_a_wide_event_expires(store: Store, raw: Redis) -> None:
    """All buckets of an event that is spread expire with its head, also those that are added later."""
    ledger = RedisLedger(store)
    await ledger.open([head(E, 30 * DAY_S, deliveries=2000)], [new_entry(E, f"a{n}") for n in range(40)])
    await ledger.open([head(E, 30 * DAY_S, deliveries=2000)], [new_entry(E, f"b{n}") for n in range(2000)])

    kept = {name: ttl for name, ttl in (await expiries(raw, store)).items() if name.startswith("{l:")}
    assert len(kept) > 15
    assert all(30 * DAY_S - 5 <= ttl <= kept_at_most(30 * DAY_S) for ttl in kept.values())


async def test_a_withdrawal_of_an_unknown_event_expires(store: Store, raw: Redis) -> None:
    """The mark of a withdrawn event is not kept for ever, and does not shorten the event's retention."""
    ledger, long = RedisLedger(store), event_key("s", "long")
    await ledger.withdraw(E, 1, 60)
    await ledger.open([head(long, 30 * DAY_S)], [])
    await ledger.withdraw(long, 1, 60)

    assert 55 < await ttl_of_head(raw, store, E) <= kept_at_most(60)
    assert await ttl_of_head(raw, store, long) > 30 * DAY_S - 5


@pytest.mark.parametrize("deliveries", [1, 2000])
async def test_a_mark_that_comes_first_is_kept_with_its_event(
    store: Store, raw: Redis, deliveries: int
) -> None:
    """A withdrawal with a shorter time to keep than the event's: both are kept for the event's retention."""
    ledger, bob = RedisLedger(store), new_entry(E, "bob")
    await ledger.withdraw(E, 7, 60)
    assert await ledger.open([head(E, 30 * DAY_S, deliveries=deliveries)], [bob]) == [State.withdrawn]

    assert 30 * DAY_S - 5 <= await ttl_of_head(raw, store, E) <= kept_at_most(30 * DAY_S)
    bucket, _ = await place_of_row(store, bob.delivery)
    assert 30 * DAY_S - 5 <= await raw.ttl(bucket) <= kept_at_most(30 * DAY_S)
    kept = await ledger.head(E)
    assert kept is not None
    assert (kept["withdrawn_ms"], kept["type"]) == (7, "t")
    assert await ledger.open([], [new_entry(E, "eve")]) == [State.withdrawn]


async def test_rows_stay_small(store: Store, raw: Redis) -> None:
    """A row of the ledger never exceeds 4 KiB, whatever its details; its first and newest steps stay."""
    ledger, bob = RedisLedger(store), new_entry(E, "bob")
    await ledger.open([head(E, 100)], [bob])
    bucket, field = await place_of_row(store, bob.delivery)
    for n in range(40):
        steps = [
            Transition(E, bob.delivery, State.sending, Reason.none, n, n + 1),
            Transition(E, bob.delivery, State.deferred, Reason.temporary, n, n + 1, "☃" * 500),
        ]
        assert all(result.applied for result in await ledger.transition(steps))
        fields = await raw.hgetall(bucket)
        assert sum(len(name) + len(value) for name, value in fields.items() if name[:14] == field) <= 5200

    assert 3000 < len(await row_of(store, bob.delivery)) <= 4096
    entry = await ledger.entry(E, bob.delivery)
    assert entry is not None
    assert (entry.state, entry.newest_step.attempt, entry.recipient) == (State.deferred, 40, "bob")
    assert (entry.steps[0].detail, entry.steps[-1].state) == ("☃" * 300, State.queued)


async def test_a_shorter_row_leaves_no_fields(store: Store, raw: Redis) -> None:
    """A value that needs several fields and then fewer has no others left."""
    ledger, bob = RedisLedger(store), new_entry(E, "bob")
    await ledger.open([head(E, 100)], [bob])
    bucket, field = await place_of_row(store, bob.delivery)
    owner = "w" * 250
    await ledger.transition([Transition(E, bob.delivery, State.sending, Reason.none, 2, 1, owner=owner)])
    assert await raw.hlen(bucket) > 4
    await ledger.transition([Transition(E, bob.delivery, State.sent, Reason.none, 3, 1, held_by=owner)])

    assert [name for name in await raw.hkeys(bucket) if name[:14] == field] == [field]
    entry = await ledger.entry(E, bob.delivery)
    assert entry is not None
    assert [step.state for step in entry.steps] == [State.sent, State.sending, State.queued]


async def test_the_index_of_a_recipient_is_bounded(store: Store, raw: Redis) -> None:
    """Only the newest deliveries of a recipient are kept, for a limited time."""
    ledger = RedisLedger(store, index_size=200, index_s=100)
    ids = [delivery_id(E, f"{n}", "email") for n in range(1000)]
    new_entries = [
        NewEntry(E, one, "bob", "email", State.queued, Reason.none, n) for n, one in enumerate(ids)
    ]
    for start in range(0, 1000, 70):
        await ledger.open([head(E, 100)], new_entries[start : start + 70])
        assert await raw.object("encoding", store.keys.deliveries("bob")) == b"listpack"

    listed = await ledger.recipient_entries("bob", 0, 10_000)
    assert listed == [(E, one) for one in reversed(ids[-len(listed) :])]
    assert 200 <= len(listed) <= 200 + 128 + 64
    assert await ledger.recipient_entries("bob", 990, 5) == listed[:5]
    kept = await expiries(raw, store)
    assert 0 < kept["{r:bob}:deliveries"] <= 100
    assert 0 < kept["{r:bob}:deliveries:older"] <= 100


async def test_the_index_of_a_recipient_drops_what_is_old(store: Store, raw: Redis) -> None:
    """A page goes once a delivery comes that is newer by the index's time, unless that delivery is of the future."""
    ledger, now_ms = RedisLedger(store, index_s=10 * HOUR_S), round(time.time() * 1000)

    async def add(first: int, count: int, at_ms: int) -> None:
        ids = [delivery_id(E, f"{n}", "email") for n in range(first, first + count)]
        await ledger.index_by_recipient(
            [NewEntry(E, one, "bob", "email", State.queued, Reason.none, at_ms) for one in ids]
        )

    await add(0, 256, now_ms - 12 * HOUR_S * 1000)
    await add(300, 100, now_ms - 5 * HOUR_S * 1000)
    assert await raw.llen(f"{store.keys.deliveries('bob')}:older") > 2
    await add(400, 200, now_ms)
    listed = await ledger.recipient_entries("bob", 0, 10_000)
    assert {one for _, one in listed} == {delivery_id(E, f"{n}", "email") for n in (*range(300, 600),)}

    await add(1000, 200, now_ms + 9 * DAY_S * 1000)
    assert len(await ledger.recipient_entries("bob", 0, 10_000)) == 500


async def test_an_inbox_expires_after_its_last_entry(store: Store, raw: Redis) -> None:
    """The keys expire a day after the last entry does; one entry without an expiry keeps them."""
    clock = FakeClock()
    inbox = RedisInbox(store, clock)
    soon = InboxItem("a", "bob", "t", 0, 1, {}, expires_ms=clock.now + 5 * DAY_S * 1000)
    await inbox.add([soon, InboxItem("c", "eve", "t", 0, 1, {}, expires_ms=clock.now + 1000)])
    await inbox.mark_read("bob", ["a"], 5)
    await inbox.remove("eve", ["c"])

    kept = {name: ttl / DAY_S for name, ttl in (await expiries(raw, store)).items() if name.startswith("{r:")}
    entries = {name: days for name, days in kept.items() if not name.endswith((":changes", ":seen"))}
    assert entries.keys() == {f"{{r:bob}}:inbox{part}" for part in ("", ":read", ":counts")}
    assert all(5.9 < days <= 7 for days in entries.values())
    assert 1 < kept["{r:eve}:inbox:seen"] < 1.1

    await inbox.add([InboxItem("b", "bob", "t", 0, 1, {})])
    kept = {name: ttl for name, ttl in (await expiries(raw, store)).items() if name.startswith("{r:bob}")}
    assert set(kept.values()) == {-1}


async def test_the_id_of_a_dropped_entry_is_kept_until_the_entry_would_have_expired(
    store: Store, raw: Redis
) -> None:
    """So no replay adds it again. One that has expired would be dropped at once: its id is not kept."""
    clock = FakeClock()
    inbox, key = RedisInbox(store, clock), store.keys.inbox("bob")
    hours = {"a": 1, "b": 5, "c": 100}
    items = [
        InboxItem(name, "bob", "t", 0, 1, {}, expires_ms=clock.now + h * HOUR_S * 1000)
        for name, h in hours.items()
    ]
    await inbox.add(items)
    clock.now += 2 * HOUR_S * 1000
    assert len(await inbox.unread("bob")) == 2
    assert not await raw.exists(f"{key}:seen")

    await inbox.remove("bob", ["b", "c"])
    assert await inbox.add(items[1:]) == [False, False]
    assert await raw.zrange(f"{key}:seen", 0, -1) == [b"~b", b"~c"]
    assert 100 * HOUR_S < await raw.ttl(f"{key}:seen") <= 122 * HOUR_S
    clock.now += 4 * HOUR_S * 1000
    last = InboxItem("d", "bob", "t", 0, 1, {})
    await inbox.add([*items, last])
    assert [item.id for item in await inbox.unread("bob")] == ["d"]
    await inbox.remove("bob", ["d"])
    assert await raw.zrange(f"{key}:seen", 0, -1) == [b"~c", b"~d"]
    assert await inbox.add([items[2], last]) == [False, False]


async def test_an_addition_looks_for_expired_entries_once_a_day(store: Store, raw: Redis) -> None:
    """It reads the whole inbox. Before that, they are only kept: whatever reads the inbox drops them first."""
    clock = FakeClock()
    inbox, key = RedisInbox(store, clock, cap=8), store.keys.inbox("bob")

    async def add(*names: str, hours: int = 1) -> None:
        ends_ms = clock.now + hours * HOUR_S * 1000
        await inbox.add([InboxItem(n, "bob", "t", 0, 1, {}, expires_ms=ends_ms) for n in names])

    await add("a", "b", "c")
    clock.now += 2 * HOUR_S * 1000
    await add("d")
    assert await raw.hlen(key) == 4
    assert [item.id for item in await inbox.unread("bob")] == ["d"]
    assert await raw.hlen(key) == 1

    clock.now += 2 * HOUR_S * 1000
    await add("e", hours=100)
    assert await raw.hlen(key) == 2
    clock.now += DAY_S * 1000
    await add("f", hours=100)
    assert await raw.hlen(key) == 2

    await add("g")
    clock.now += 2 * HOUR_S * 1000
    await add(*"hijklm", hours=100)
    assert {item.id for item in await inbox.unread("bob")} == set("efhijklm")


async def test_ids_of_dropped_entries_and_changes_are_bounded(store: Store, raw: Redis) -> None:
    """The ids of entries that were dropped, and the stream of changes, do not grow for ever."""
    inbox = RedisInbox(store, FakeClock(), cap=10)
    await RedisInboxChanges(store).position("bob")
    for start in range(0, 5000, 500):
        await inbox.add([InboxItem(f"i{n}", "bob", "t", 0, n, {}) for n in range(start, start + 500)])

    key = store.keys.inbox("bob")
    assert await raw.zcard(f"{key}:seen") == 2000
    assert await raw.xlen(f"{key}:changes") < 1200
    assert 3500 < await raw.ttl(f"{key}:changes") <= 3600
    assert await raw.hlen(key) == 10


async def test_tombstones_and_supersede_keys_expire(store: Store, raw: Redis) -> None:
    """Keys that only guard against old records are not kept for ever."""
    writes = RedisTableWrites(store)
    await writes.delete_recipient("bob", 1)
    await writes.delete_contact("acme", "u", 1)
    await RedisSupersedeIndex(store, keep_s=60).supersede([("k", "e", 1)])

    kept = await expiries(raw, store)
    assert {name for name, ttl in kept.items() if 0 < ttl <= 60} == {"{s:k}:newest"}
    assert {name for name, ttl in kept.items() if 29 * DAY_S < ttl <= 30 * DAY_S} == {
        "{r:bob}:row",
        "{a:acme}:contacts:gone",
    }
