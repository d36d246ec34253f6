"""The age of the oldest waiting delivery by lane and state, read from sorted sets beside the due set."""

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.operate.open_ages import RedisOpenAges
from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from tests.support.completeness import mark_complete

EVENT = event_key("s", "1")
HIGH, BULK = Lane.high, Lane.bulk


def delivery(n: int, lane: Lane = HIGH) -> Delivery:
    """Return the delivery whose event was received at 1000 + n."""
    return Delivery(
        id=delivery_id(EVENT, str(n), "email"), event=EVENT, event_id="1", source="s", type="overbid",
        channel=Channel.email, recipient=str(n), rule=AudienceRule.users, created_ms=1, received_ms=1000 + n,
        deadline_ms=99, lane=lane,
    )  # fmt: skip


@pytest.fixture
async def ledger(store: Store) -> RedisLedger:
    await mark_complete(store)
    return RedisLedger(store)


@pytest.fixture
def ages(store: Store, ledger: RedisLedger) -> RedisOpenAges:
    return RedisOpenAges(store, ledger)


async def test_the_oldest_of_each_lane_and_state(store: Store, ages: RedisOpenAges) -> None:
    """The age counts from when the event was received, not from the next attempt."""
    due = RedisDueSet(store)
    waiting = [*(delivery(n) for n in range(50, 10, -1)), delivery(5, BULK), delivery(7)]
    states = [*[State.deferred] * 41, State.ambiguous]
    await due.add(waiting, range(len(waiting)), states)

    assert await ages.waiting() == {
        (HIGH, State.deferred): 1011,
        (HIGH, State.ambiguous): 1007,
        (BULK, State.deferred): 1005,
    }


async def test_the_oldest_of_each_reason_to_hold(store: Store, ages: RedisOpenAges) -> None:
    """They count for their state, too; those of other states count for no reason."""
    held = [delivery(n, lane) for n, lane in ((5, HIGH), (6, HIGH), (7, BULK), (8, BULK))]
    reasons = [Reason.quiet_hours, Reason.limit, Reason.digest, Reason.digest]
    await RedisDueSet(store).add(
        [delivery(1), *held], range(5), [State.deferred, *[State.held] * 4], [Reason.none, *reasons]
    )

    assert await ages.held_by_reason() == {
        (HIGH, Reason.quiet_hours): 1005,
        (HIGH, Reason.limit): 1006,
        (BULK, Reason.digest): 1007,
    }
    assert await ages.waiting() == {
        (HIGH, State.deferred): 1001,
        (HIGH, State.held): 1005,
        (BULK, State.held): 1007,
    }


async def test_a_deferred_delivery_has_one_state(store: Store, ages: RedisOpenAges) -> None:
    """An ambiguous delivery that is deferred the next time no longer counts as ambiguous."""
    due = RedisDueSet(store)
    await due.add([delivery(1)], [5], [State.ambiguous])
    await due.add([delivery(1)], [9])

    assert await ages.waiting() == {(HIGH, State.deferred): 1001}


async def test_a_removed_delivery_has_no_age(store: Store, ages: RedisOpenAges) -> None:
    """After `settle` or `drop` no key is left in Redis; a lease alone changes no age."""
    due = RedisDueSet(store)
    await due.add([delivery(n) for n in range(3)], [1, 1, 10**14])
    taken = await due.take(5, 10)
    assert await ages.waiting() == {(HIGH, State.deferred): 1000}

    await due.remove_dispatched(taken)
    assert await ages.waiting() == {(HIGH, State.deferred): 1002}
    await due.drop([delivery(2).id])
    assert await ages.waiting() == {}
    left = [name async for names in store.scan_keys("*due*") for name in names]
    assert left == []


async def test_a_decided_delivery_is_no_longer_held(
    store: Store, ledger: RedisLedger, ages: RedisOpenAges
) -> None:
    """A delivery that is in another state by the ledger, or has left it, is removed when it is read."""
    held = [delivery(n) for n in range(3)]
    for n, one in enumerate([*held, delivery(9, BULK)]):
        await RedisDueSet(store).hold([one], 1000 + n)
    new_entries = [
        NewEntry(d.event, d.id, d.recipient, "email", State.held, Reason.awaiting_operator, 5)
        for d in held[1:]
    ]
    await ledger.open([], new_entries)
    assert await ages.held() == {HIGH: 1001}

    await ledger.transition([Transition(EVENT, held[1].id, State.queued, Reason.replayed, 6)])
    assert await ages.held() == {HIGH: 1002}
    (left,) = await store.pipeline([("ZCARD", store.keys.held(HIGH))])
    assert left == 1
