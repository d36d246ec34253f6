"""Processes that deliver neither read nor write deliveries in a Redis that has lost its data, or part of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
import redis
from pydantic import SecretStr

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.operate.inventory import holds_rows, inventory
from service.adapters.redis.tables.tables import RedisTables
from service.model.blocks.suppression import SoftBounceScore
from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.holds.digest import DigestItem, digest_of
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.recipient import Recipient
from service.ports import (
    ABSENT,
    EventHead,
    InboxItem,
    LimitedMail,
    LookupKeys,
    MailAllowance,
    SupersedableEvent,
    Unavailable,
)
from tests.specs.backend import Backend, redis_backend
from tests.support.completeness import mark_complete
from tests.support.redis_cluster import shared_cluster
from tests.support.stack import shared_valkey


@pytest.fixture(params=["valkey", "cluster"])
async def guarded(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Yield a Redis as stages use it."""
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    opened = Store(
        settings.RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:"), guarded=True
    )
    yield opened
    await opened.close()


def event(n: int) -> str:
    return event_key("/s", f"{n}")


def delivery_of(n: int) -> str:
    return delivery_id(event(n), "alice", "email")


def new_entry(n: int) -> NewEntry:
    return NewEntry(event(n), delivery_of(n), "alice", "email", State.queued, Reason.none, 1)


def head(n: int) -> EventHead:
    return EventHead(Event(event(n), f"{n}", "/s", "overbid", 1, 1, {}), 3600)


def item(n: int) -> InboxItem:
    return InboxItem(delivery_of(n), f"person{n}", "overbid", 6, 1, {})


def delivery(n: int) -> Delivery:
    return Delivery(
        id=delivery_of(n), event=event(n), event_id=str(n), source="/s", type="overbid", channel=Channel.email,
        recipient="alice", rule=AudienceRule.users, created_ms=1, received_ms=1, deadline_ms=9 * 10**12,
    )  # fmt: skip


def limited(n: int) -> LimitedMail:
    return LimitedMail(f"person{n}", delivery_of(n), "overbid", Lane.normal, MailAllowance(hour=1))


MANY = range(60)
WRITES: dict[str, Callable[[Backend, int], Awaitable[object]]] = {
    "open": lambda b, n: b.ledger.open([head(n)], [new_entry(n)]),
    "transition": lambda b, n: b.ledger.transition(
        [Transition(event(n), delivery_of(n), State.sending, Reason.none, 2, 1, owner="w")]
    ),
    "restore": lambda b, n: b.restore.restored([(event(n), delivery_of(n))]),
    "note": lambda b, n: b.withdrawals.note([SupersedableEvent(f"t|{n}", event(n), 1, 60)]),
    "withdraw key": lambda b, n: b.withdrawals.withdraw(f"t|{n}", 1, 60),
    "score": lambda b, n: b.scores.add([(f"{n:024x}", "d")], 1),
    "put score": lambda b, n: b.scores.put({f"{n:024x}": SoftBounceScore(1.0, 1)}, 1),
    "take room": lambda b, n: b.limits.take([limited(n)], 1),
    "restore room": lambda b, n: b.limits.restore([limited(n)], [1]),
    "give room back": lambda b, n: b.limits.give_back([(f"person{n}", delivery_of(n))]),
    "add to digest": lambda b, n: b.windows.add(
        [DigestItem(delivery(n), "", digest_of(delivery(n), "", 1), 5)]
    ),
    "seal digest": lambda b, n: b.windows.seal([delivery(n)]),
    "remove digest": lambda b, n: b.windows.remove([("alice", delivery_of(n))]),
    "hasten": lambda b, n: b.due.hasten([delivery_of(n)], 1),
    "withdraw": lambda b, n: b.ledger.withdraw(event(n), 1, 60),
    "add": lambda b, n: b.inbox.add([item(n)]),
    "remove": lambda b, n: b.inbox.remove(f"person{n}", [delivery_of(n)]),
    "mark": lambda b, n: b.inbox.mark_read(f"person{n}", [delivery_of(n)], 3),
    "counts": lambda b, n: b.inbox.counts(f"person{n}"),
    "unread": lambda b, n: b.inbox.unread(f"person{n}"),
    "supersede": lambda b, n: b.supersedes.supersede([(f"key{n}", event(n), 1)]),
    "due": lambda b, n: b.due.add([delivery(n)], [1]),
}


@pytest.mark.parametrize("name", WRITES)
async def test_an_empty_redis_refuses_every_write(guarded: Store, name: str) -> None:
    """Each call is refused as a whole, and leaves no key behind."""
    backend = redis_backend(guarded)
    with pytest.raises(Unavailable, match="tocsin rebuild"):
        await WRITES[name](backend, 1)
    assert not [keys async for keys in guarded.scan_keys("*") if keys]


async def test_a_complete_redis_accepts_every_write(guarded: Store) -> None:
    """The same calls succeed once Redis is marked complete, and fail again once it is marked incomplete."""
    backend, tables = redis_backend(guarded), RedisTables(guarded)
    assert await tables.incomplete() == ABSENT
    assert not await holds_rows(guarded)
    await mark_complete(guarded)
    assert await tables.incomplete() is None
    for write in WRITES.values():
        await write(backend, 1)
    assert await holds_rows(guarded)
    assert {s.table: s.rows for s in await inventory(guarded) if s.rows} == {
        "ledger": 1,
        "withdrawals": 2,
        "soft-bounces": 1,
        "due": 1,
        "digests": 1,
    }
    await tables.mark_incomplete("an operator says so")
    with pytest.raises(Unavailable):
        await backend.ledger.open([head(2)], [new_entry(2)])
    assert await tables.incomplete() == "an operator says so"


async def test_one_cluster_server_that_lost_its_data_is_detected() -> None:
    """Its slots refuse writes, and reads of any slot fail as incomplete."""
    url = shared_cluster()
    opened = Store(
        settings.RedisSettings(url=SecretStr(url), cluster=True, prefix=f"{uuid4().hex}:"), guarded=True
    )
    backend, tables = redis_backend(opened), RedisTables(opened)
    try:
        await mark_complete(opened)
        await backend.writes.put_recipients([Recipient(id=f"person{n}", version=1) for n in MANY])
        with redis.Redis.from_url(url) as one:
            one.flushall()
        refused = 0
        for n in MANY:
            try:
                await backend.inbox.add([item(n)])
            except Unavailable:
                refused += 1
        assert 0 < refused < len(MANY)
        with pytest.raises(Unavailable, match="tocsin rebuild"):
            await tables.mark_complete()
        assert await tables.incomplete() == ABSENT
        with pytest.raises(Unavailable):
            await tables.lookup(LookupKeys(recipients={"person1"}))
        counted = {s.table: s.rows for s in await inventory(opened)}
        assert counted["inbox"] == len(MANY) - refused
        assert 0 < counted["recipients"] < len(MANY)
    finally:
        await opened.close()


async def test_checksums_do_not_depend_on_order_and_see_every_change(guarded: Store) -> None:
    """Two prefixes filled in different orders have the same checksums; any difference changes them."""
    other = Store(guarded._settings.model_copy(update={"prefix": f"{uuid4().hex}:"}))
    try:
        for store, order in ((guarded, list(MANY)), (other, list(reversed(MANY)))):
            await mark_complete(store)
            backend = redis_backend(store)
            await backend.writes.put_recipients([Recipient(id=f"p{n}", version=1) for n in order])
            for n in order:
                await backend.ledger.open([head(n)], [new_entry(n)])
                await backend.inbox.add([item(n)])
        assert await inventory(guarded) == await inventory(other)
        backend = redis_backend(other)
        await backend.inbox.mark_read("person7", [item(7).id], 5)
        await backend.writes.put_recipients([Recipient(id="p7", version=2)])
        await backend.ledger.transition(
            [Transition(event(7), delivery_of(7), State.skipped, Reason.preference_off, 2)]
        )
        pairs = zip(await inventory(guarded), await inventory(other), strict=True)
        assert {a.table for a, b in pairs if a != b} == {"recipients", "inbox", "ledger"}
    finally:
        await other.close()
