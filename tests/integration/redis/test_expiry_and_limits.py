"""Expiry of keys, and limits on their size."""

from redis.asyncio import Redis

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.supersede_index import RedisSupersedeIndex
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.tables.writes import RedisTableWrites
from service.model.event import Event
from service.model.ids import delivery_id
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.ports import EventHead, InboxItem
from tests.fakes.clock import FakeClock

DAY_S = 86_400


def head(key: str, retention_s: int, *, sharded: bool = False) -> EventHead:
    return EventHead(Event(key, "i", "s", "t", 1, 1, {}), retention_s, sharded)


def new_entry(event: str, recipient: str) -> NewEntry:
    return NewEntry(
        event, delivery_id(event, recipient, "email"), recipient, "email", State.queued, Reason.none, 1
    )


async def expiries(raw: Redis, store: Store) -> dict[str, int]:
    """Return every key of this store without its prefix, and its TTL in seconds (-1: none)."""
    names = [name async for name in raw.scan_iter(f"{store.keys.prefix}*", count=10_000)]
    return {name.decode().removeprefix(store.keys.prefix): await raw.ttl(name) for name in names}


async def test_an_event_is_kept_for_its_retention(store: Store, raw: Redis) -> None:
    """`open` sets the event's expiry; a shorter retention later never shortens it, a longer one extends it."""
    ledger = RedisLedger(store)
    for retention, expected in ((100, 100), (50, 100), (200, 200)):
        await ledger.open([head("e", retention)], [new_entry("e", "bob")])
        assert expected - 5 <= (await expiries(raw, store))["{e:e}"] <= expected


async def test_every_shard_of_a_sharded_event_expires(store: Store, raw: Redis) -> None:
    """All hashes of a sharded event expire with its head, also those that are added later."""
    ledger = RedisLedger(store)
    await ledger.open([head("e", 1000, sharded=True)], [new_entry("e", f"a{n}") for n in range(40)])
    await ledger.open([], [new_entry("e", f"b{n}") for n in range(2000)])

    kept = {name: ttl for name, ttl in (await expiries(raw, store)).items() if name.startswith("{e:e}:")}
    assert len(kept) == 256
    assert all(900 < ttl <= 1000 for ttl in kept.values())


async def test_a_withdrawal_of_an_unknown_event_expires(store: Store, raw: Redis) -> None:
    """The mark of a withdrawn event is not kept for ever, and does not shorten the event's retention."""
    ledger = RedisLedger(store)
    await ledger.withdraw("unseen", 1, 60)
    await ledger.open([head("long", 30 * DAY_S)], [])
    await ledger.withdraw("long", 1, 60)

    kept = await expiries(raw, store)
    assert 0 < kept["{e:unseen}"] <= 7 * DAY_S
    assert kept["{e:long}"] > 29 * DAY_S


async def test_rows_stay_small(store: Store, raw: Redis) -> None:
    """A row of the ledger never exceeds 4 kB, whatever its details."""
    ledger, bob = RedisLedger(store), new_entry("e", "bob")
    await ledger.open([head("e", 100)], [bob])
    for n in range(40):
        await ledger.transition(
            [Transition("e", bob.delivery, State.deferred, Reason.temporary, n, n, "☃" * 500)]
        )

    row = await raw.hget(store.keys.event("e"), bob.delivery)
    assert isinstance(row, bytes)
    assert len(row) <= 4096
    assert await ledger.entry("e", bob.delivery)


async def test_the_index_of_a_recipient_is_bounded(store: Store, raw: Redis) -> None:
    """Only the newest deliveries of a recipient are kept, for a limited time."""
    ledger = RedisLedger(store, index_size=10, index_s=100)
    new_entries = [NewEntry("e", f"d{n}", "bob", "email", State.queued, Reason.none, n) for n in range(30)]
    await ledger.open([head("e", 100)], new_entries)

    assert [delivery for _, delivery in await ledger.recipient_entries("bob")] == [
        f"d{n}" for n in range(29, 19, -1)
    ]
    assert 0 < (await expiries(raw, store))["{r:bob}:deliveries"] <= 100


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
    assert all(30 < days <= 38 for name, days in kept.items() if name not in entries)

    await inbox.add([InboxItem("b", "bob", "t", 0, 1, {})])
    kept = {name: ttl for name, ttl in (await expiries(raw, store)).items() if name.startswith("{r:bob}")}
    assert set(kept.values()) == {-1}


async def test_ids_of_dropped_entries_and_changes_are_bounded(store: Store, raw: Redis) -> None:
    """The ids of entries that were dropped, and the stream of changes, do not grow for ever."""
    inbox = RedisInbox(store, FakeClock(), cap=10)
    for start in range(0, 5000, 500):
        await inbox.add([InboxItem(f"i{n}", "bob", "t", 0, n, {}) for n in range(start, start + 500)])

    key = store.keys.inbox("bob")
    assert await raw.zcard(f"{key}:seen") == 2000
    assert await raw.xlen(f"{key}:changes") < 1200
    assert await raw.hlen(key) == 10


async def test_tombstones_owners_and_supersede_keys_expire(store: Store, raw: Redis) -> None:
    """Keys that only guard against old records are not kept for ever."""
    writes = RedisTableWrites(store)
    await writes.delete_recipient("bob", 1)
    await writes.delete_contact("acme", "u", 1)
    await RedisSupersedeIndex(store, keep_s=60).supersede([("k", "e", 1)])
    await RedisInbox(store, FakeClock(), owner_s=60).add([InboxItem("i", "bob", "t", 0, 1, {})])

    kept = await expiries(raw, store)
    assert {name for name, ttl in kept.items() if 0 < ttl <= 60} == {"{s:k}:newest", "{i:i}:owner"}
    assert {name for name, ttl in kept.items() if 29 * DAY_S < ttl <= 30 * DAY_S} == {
        "{r:bob}:row",
        "{a:acme}:contacts:gone",
    }
