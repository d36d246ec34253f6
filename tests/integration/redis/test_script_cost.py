"""What a call to Redis costs the server grows in proportion to its items, however they are chosen.

The server runs one script at a time, so a script whose cost grows faster stops every worker.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import redis.asyncio

from service.adapters.redis.client import Store
from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.ids import delivery_id, event_key
from service.model.keys import ContactKey
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.recipient import Contact, Recipient
from service.ports import EventHead, InboxItem, InboxQuery, LookupKeys, ReadFilter, SupersedableEvent
from service.settings import RedisSettings
from tests.specs.backend import Backend, redis_backend
from tests.support.completeness import mark_complete
from tests.support.cost_growth import ClockS, assert_linear_async, valkey_clock_s

pytestmark = pytest.mark.exhaustive

SIZE = 250
CAP = 4 * SIZE


@dataclass
class Server:
    """A Valkey with its ports, and a clock of the CPU time that it uses."""

    store: Store
    backend: Backend
    clock_s: ClockS


@pytest.fixture
async def server(valkey_url: str) -> AsyncIterator[Server]:
    store = Store(RedisSettings(url=valkey_url, timeout=30))  # type: ignore[arg-type]
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        yield Server(store, redis_backend(store, cap=CAP), valkey_clock_s(client))
    await store.close()


def key(n: int, event_id: str | None = None) -> str:
    return event_key(f"/s{n}", event_id or str(n))


def event(n: int, event_id: str | None = None, deliveries: int = 1) -> EventHead:
    made = Event(key(n, event_id), event_id or str(n), f"/s{n}", "overbid", 1, 1, {})
    return EventHead(made, 600, deliveries)


def entry(n: int, of_event: int = 0, recipient: str | None = None) -> NewEntry:
    recipient = recipient or f"r{n}"
    delivery = delivery_id(key(of_event), recipient, "email")
    return NewEntry(key(of_event), delivery, recipient, "email", State.queued, Reason.none, n)


def item(n: int) -> InboxItem:
    return InboxItem(
        entry(n).delivery, "alice", f"type{n % 20}", 1, 10**12 + n, {}, "line", "event", 10**13 + n
    )


def delivery(n: int) -> Delivery:
    return Delivery(
        id=entry(n, n, "r").delivery, event=key(n), event_id=str(n), source="/t", type="t", channel="email",
        recipient="r", rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=9,
    )  # fmt: skip


def contact(n: int) -> Contact:
    return Contact(account="acme", uuid=f"u{n}", email=f"{n}@x.test", version=n)


async def nothing(_: Backend, __: int) -> None:
    """Prepare nothing."""


async def entered(backend: Backend, n: int) -> None:
    await backend.ledger.open([event(0, deliveries=n)], [entry(i) for i in range(n)])


async def filled(backend: Backend, n: int) -> None:
    await backend.inbox.add([item(i) for i in range(n)])


async def waiting(backend: Backend, n: int) -> None:
    await backend.due.add([delivery(i) for i in range(n)], [1] * n)


async def noted(backend: Backend, n: int) -> None:
    await backend.withdrawals.note([SupersedableEvent("k", f"e{i}", i, 60) for i in range(n)])


async def with_contacts(backend: Backend, n: int) -> None:
    await backend.writes.put_contacts([contact(i) for i in range(n)])


async def claims(backend: Backend, n: int) -> None:
    await backend.ledger.transition(
        [Transition(key(0), entry(i).delivery, State.sending, Reason.none, 2, 1, owner="w") for i in range(n)]
    )


async def read_event(backend: Backend, n: int) -> None:
    assert len([one async for one in backend.ledger.entries(key(0))]) == n


async def one_entry_after_the_other(backend: Backend, n: int) -> None:
    for i in range(n):
        await backend.inbox.add([item(i)])


async def take_all(backend: Backend, n: int) -> None:
    taken: Sequence[Any] = await backend.due.take(10, n)
    await backend.due.remove_dispatched(taken)


async def pages(backend: Backend, n: int) -> None:
    cursor = "begin"
    while cursor:
        after = "" if cursor == "begin" else cursor
        page = await backend.reads.page(InboxQuery("alice", ReadFilter.all, after=after, limit=50))
        cursor = page.cursor


Step = Callable[[Backend, int], Awaitable[Any]]
CALLS: dict[str, tuple[Step, Step]] = {
    "enter an event for many": (nothing, entered),
    "enter it again": (entered, entered),
    "enter many events": (nothing, lambda b, n: b.ledger.open([event(i) for i in range(n)], [])),
    "enter many events of one id": (
        nothing,
        lambda b, n: b.ledger.open([event(i, event_id="1") for i in range(n)], []),
    ),
    "enter many deliveries of one recipient": (
        nothing,
        lambda b, n: b.ledger.open([event(i) for i in range(n)], [entry(i, i, "alice") for i in range(n)]),
    ),
    "claim": (entered, claims),
    "read an event": (entered, read_event),
    "list events of one id": (
        lambda b, n: b.ledger.open([event(i, event_id="1") for i in range(n)], []),
        lambda b, _: b.ledger.named("1"),
    ),
    "supersede many keys": (
        nothing,
        lambda b, n: b.supersedes.supersede([(f"k{i}", "e", i) for i in range(n)]),
    ),
    "supersede one key": (
        nothing,
        lambda b, n: b.supersedes.supersede([("k", f"e{i}", i) for i in range(n)]),
    ),
    "note events of one key": (nothing, noted),
    "note events of many keys": (
        nothing,
        lambda b, n: b.withdrawals.note([SupersedableEvent(f"k{i}", "e", i, 60) for i in range(n)]),
    ),
    "withdraw a key": (noted, lambda b, n: b.withdrawals.withdraw("k", n, 60)),
    "times of events": (noted, lambda b, n: b.withdrawals.times([("k", f"e{i}") for i in range(n)])),
    "fill an inbox": (nothing, filled),
    "fill it one by one": (nothing, one_entry_after_the_other),
    "fill it again": (filled, filled),
    "overfill it": (
        lambda b, _: filled(b, CAP),
        lambda b, n: b.inbox.add([item(i) for i in range(CAP, CAP + n)]),
    ),
    "mark all read": (filled, lambda b, n: b.inbox.mark_read("alice", [item(i).id for i in range(n)], 1)),
    "remove all": (filled, lambda b, n: b.inbox.remove("alice", [item(i).id for i in range(n)])),
    "read all unread": (filled, lambda b, _: b.inbox.unread("alice")),
    "read all by pages": (filled, pages),
    "fill the due set": (nothing, waiting),
    "fill it with other times": (waiting, lambda b, n: b.due.add([delivery(i) for i in range(n)], [2] * n)),
    "take and settle all": (waiting, take_all),
    "drop all": (waiting, lambda b, n: b.due.drop([delivery(i).id for i in range(n)])),
    "write contacts of one account": (nothing, with_contacts),
    "write them again": (with_contacts, with_contacts),
    "read an account": (with_contacts, lambda b, _: b.tables.lookup(LookupKeys(account_pages={"acme"}))),
    "read a page of contacts": (with_contacts, lambda b, n: b.contacts.page("acme", 0, n)),
    "read single contacts": (
        with_contacts,
        lambda b, n: b.tables.lookup(LookupKeys(contacts={ContactKey("acme", f"u{i}") for i in range(n)})),
    ),
    "write recipients of one role": (
        nothing,
        lambda b, n: b.writes.put_recipients(
            [Recipient(id=f"r{i}", roles=("user",), version=1) for i in range(n)]
        ),
    ),
    "score bounces": (nothing, lambda b, n: b.scores.add([(f"{i:024x}", "d") for i in range(n)], 1)),
}


@pytest.mark.parametrize("name", CALLS)
async def test_the_cost_of_a_call_grows_with_its_items(server: Server, name: str) -> None:
    """Twice the items cost the server at most 2.5 times as much."""
    before, call = CALLS[name]

    async def prepare(n: int) -> int:
        await server.store.pipeline([("FLUSHALL",)])
        await mark_complete(server.store)
        await before(server.backend, n)
        return n

    await assert_linear_async(
        prepare, lambda n: call(server.backend, n), size=SIZE, doublings=2, clock_s=server.clock_s
    )


async def test_the_events_of_an_id_are_listed_up_to_a_limit(server: Server) -> None:
    """At most 100 events of an id are found by it, each once."""
    await mark_complete(server.store)
    for start in range(0, 350, 50):
        await server.backend.ledger.open([event(i, event_id="1") for i in range(start, start + 50)], [])

    named = await server.backend.ledger.named("1")
    assert len(set(named)) == len(named) == 100
    assert set(named) <= {key(i, "1") for i in range(350)}
