"""How many bytes of Redis a closed delivery costs in the ledger, with its head and the index by recipient."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest
from uuid import UUID

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.ledger import RedisLedger
from service.model.event import Event
from service.model.ids import address_pseudonym, delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.ports import EventHead, EventPosition

pytestmark = pytest.mark.exhaustive

EVENTS, RECIPIENTS = 20_000, 200
NOW_MS = 1_790_000_000_000
OWNER = "tocsin-email-7f9c6d5b8-x2x9q-1-5e0c2a91"
Deliveries = Sequence[tuple[str, str, str, str]]
"""Recipient, channel, rule and matched row of each delivery of an event."""


def uuid(random_bits: random.Random) -> str:
    return str(UUID(int=random_bits.getrandbits(128), version=4))


PEOPLE = [uuid(random.Random(n)) for n in range(RECIPIENTS)]


def inbox(n: int) -> Deliveries:
    return [(PEOPLE[n % RECIPIENTS], "inbox", "users", "")]


def mail(n: int) -> Deliveries:
    return [(PEOPLE[n % RECIPIENTS], "email", "users", "")]


def group_mail(n: int) -> Deliveries:
    return [(address_pseudonym(f"a{n % RECIPIENTS}@x.test"), "email", "group", "12345|")]


def both(n: int) -> Deliveries:
    return [*inbox(n), *mail(n)]


def head(event_id: str, n: int) -> EventHead:
    event = Event(
        event_key("/auctions", event_id), event_id, "/auctions", "overbid", NOW_MS + 40 * n - 200,
        NOW_MS + 40 * n, {}, recipients=("r",),
    )  # fmt: skip
    return EventHead(event, 604_800, 2, EventPosition("events", n % 12, 10_000_000 + n))


def history(one: NewEntry) -> list[Transition]:
    """Return the transitions from `queued` to the end of a delivery."""
    if one.channel == "inbox":
        return [Transition(one.event, one.delivery, State.delivered, Reason.none, one.at_ms + 30)]
    return [
        Transition(one.event, one.delivery, State.sending, Reason.none, one.at_ms + 40, 1, owner=OWNER),
        Transition(one.event, one.delivery, State.sent, Reason.none, one.at_ms + 90, 1, held_by=OWNER),
    ]


async def closed(store: Store, deliveries_of: Callable[[int], Deliveries]) -> int:
    """Enter and close the deliveries of all events. Return how many there are."""
    ledger, bits, number = RedisLedger(store), random.Random(1), 0
    for start in range(0, EVENTS, 200):
        heads = [head(uuid(bits), n) for n in range(start, start + 200)]
        entered = [
            NewEntry(
                one.event.key, delivery_id(one.event.key, recipient, channel), recipient, channel, State.queued,
                Reason.none, one.event.received_ms + 5, "on by default", rule=rule, matched=matched,
            )
            for n, one in enumerate(heads, start)
            for recipient, channel, rule, matched in deliveries_of(n)
        ]  # fmt: skip
        assert set(await ledger.open(heads, entered)) == {State.queued}
        histories = [history(one) for one in entered]
        for steps in zip_longest(*histories):
            made = await ledger.transition([step for step in steps if step is not None])
            assert all(result.applied for result in made)
        number += len(entered)
    return number


async def memory(store: Store) -> Counter[str]:
    """Return the bytes of the ledger's keys, by what they are."""
    keys = [key async for names in store.scan_keys("*") for key in names]
    used = await store.pipeline([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys])
    sums = Counter[str]()
    for key, number in zip(keys, used, strict=True):
        kind = re.sub(r"\{l:[^}]*\}:.*", "buckets", key.decode().removeprefix(store.keys.prefix))
        kind = re.sub(r"\{l:[^}]*\}", "shards", re.sub(r"\{r:.*", "index", kind))
        sums[kind] += number
    return sums


@pytest.mark.parametrize(
    ("deliveries_of", "most"), [(inbox, 150), (mail, 152), (group_mail, 154), (both, 122)]
)
async def test_bytes_of_a_closed_delivery(
    store: Store, deliveries_of: Callable[[int], Deliveries], most: int
) -> None:
    """All keys of the ledger together, divided by the deliveries."""
    number = await closed(store, deliveries_of)
    used = await memory(store)
    each = sum(used.values()) / number
    shares = ", ".join(f"{kind} {size / number:.1f}" for kind, size in sorted(used.items()))
    print(f"\n{deliveries_of.__name__}: {each:.1f} bytes a delivery ({shares})")

    assert used.keys() == {"buckets", "shards", "index", "{l}:names"}
    assert each <= most
