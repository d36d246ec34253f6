"""Spec of the DueSet port."""

import random

from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.reasons import Reason
from tests.specs.backend import Backend

EVENT = event_key("s", "1")


def delivery(n: int, name: str = "") -> Delivery:
    return Delivery(
        id=delivery_id(EVENT, str(n), "email"),
        event=EVENT,
        event_id="1",
        source="s",
        type="overbid",
        channel=Channel.email,
        recipient=str(n),
        rule=AudienceRule.users,
        created_ms=1,
        received_ms=1,
        deadline_ms=99,
        name=name,
        document=json_document({"lot": {"id": n}}),
    )


async def test_a_due_delivery_comes_back_unchanged(backend: Backend) -> None:
    """A delivery comes back as it was stored, once its time has come and not before."""
    await backend.due.add([delivery(1, "Zoë"), delivery(2)], [100, 200])

    assert list(await backend.due.take(99, 10)) == []
    assert [due.delivery for due in await backend.due.take(100, 10)] == [delivery(1, "Zoë")]


async def test_a_leased_delivery_comes_again_unless_settled(backend: Backend) -> None:
    """A leased delivery is due again after its lease, unless it was settled."""
    await backend.due.add([delivery(1), delivery(2)], [100, 100])
    taken = await backend.due.take(100, 10, 1000)
    await backend.due.remove_dispatched([one for one in taken if one.delivery.id == delivery(1).id])

    assert list(await backend.due.take(1099, 10)) == []
    assert [one.delivery for one in await backend.due.take(1100, 10)] == [delivery(2)]
    assert await backend.due.count() == 1


async def test_a_delivery_added_again_is_not_settled(backend: Backend) -> None:
    """Adding a delivery again replaces its time and ends its lease: the earlier lease settles nothing."""
    await backend.due.add([delivery(1)], [100])
    taken = await backend.due.take(100, 10)
    await backend.due.add([delivery(1, "again")], [500])
    await backend.due.remove_dispatched(taken)

    assert await backend.due.count() == 1
    assert await backend.due.oldest_ms() == 500
    assert [one.delivery.name for one in await backend.due.take(500, 10)] == ["again"]


async def test_a_later_lease_is_not_settled_by_an_earlier_one(backend: Backend) -> None:
    """Once a lease has ended and another worker has the next one, the first settles nothing."""
    await backend.due.add([delivery(1)], [100])
    first = await backend.due.take(100, 10, 50)
    second = await backend.due.take(150, 10, 50)
    await backend.due.remove_dispatched(first)

    assert await backend.due.count() == 1
    await backend.due.remove_dispatched(second)
    assert await backend.due.count() == 0


async def test_take_respects_its_limit_and_returns_every_delivery(backend: Backend) -> None:
    """Return never more than the limit; repeated calls return every due delivery once."""
    await backend.due.add([delivery(n) for n in range(1203)], [n % 7 for n in range(1203)])

    sizes, seen = [], []
    while taken := await backend.due.take(1000, 100):
        sizes.append(len(taken))
        seen += [one.delivery.recipient for one in taken]

    assert max(sizes) <= 100
    assert sorted(map(int, seen)) == list(range(1203))
    assert [len(await backend.due.take(50_000_000, n)) for n in (0, 1, 2)] == [0, 1, 2]


async def test_oldest_is_the_earliest_of_all(backend: Backend) -> None:
    """Return the earliest time; None when no delivery waits."""
    assert await backend.due.oldest_ms() is None
    await backend.due.add([delivery(n) for n in range(40)], [1000 - n for n in range(40)])

    assert await backend.due.oldest_ms() == 961
    await backend.due.remove_dispatched(await backend.due.take(2000, 100))
    assert await backend.due.oldest_ms() is None
    await backend.due.add([], [])
    assert await backend.due.count() == 0


async def test_waiting_deliveries_can_be_read(backend: Backend) -> None:
    """Return a delivery by its id as it was added last, also while it is leased; None for one that does not wait."""
    one, two = delivery(1), delivery(2, "Zoë")
    retried = one.replace(attempt=3)
    await backend.due.add([one, two], [5, 6])
    await backend.due.take(5, 10, lease_ms=100)
    await backend.due.add([retried], [9])

    assert list(await backend.due.waiting([two.id, "none", one.id])) == [two, None, retried]
    assert list(await backend.due.waiting([])) == []


async def test_how_many_wait_and_until_when(backend: Backend) -> None:
    """By spans of time, by lane and state; leased ones are due when their lease ends."""
    bulk = delivery(3).replace(lane=Lane.bulk)
    await backend.due.add([delivery(1), delivery(2)], [100, 199])
    await backend.due.add([bulk], [200], [State.ambiguous])

    assert list(await backend.due.count_between([0, 100, 200, 1000])) == [0, 2, 1]
    assert dict(await backend.due.standing()) == {
        (Lane.normal, State.deferred): 2,
        (Lane.bulk, State.ambiguous): 1,
    }
    await backend.due.take(100, 1, 1000)
    assert list(await backend.due.count_between([0, 200, 2000])) == [1, 2]


async def test_a_lease_says_when_the_delivery_was_due(backend: Backend) -> None:
    """After a lease that has ended too; a delivery that is added again is due at its new time."""
    await backend.due.add([delivery(1), delivery(2)], [100, 101])
    for now in (200, 1200):
        assert {one.delivery.id: one.due_ms for one in await backend.due.take(now, 10, 1000)} == {
            delivery(1).id: 100,
            delivery(2).id: 101,
        }
    await backend.due.add([delivery(1)], [500])
    assert [one.due_ms for one in await backend.due.take(600, 10)] == [500]


def held(n: int, recipient: str = "alice") -> Delivery:
    return delivery(n).replace(recipient=recipient)


async def hold(backend: Backend, deliveries: list[Delivery], due_ms: int, reason: Reason) -> None:
    number = len(deliveries)
    await backend.due.add(deliveries, [due_ms] * number, [State.held] * number, [reason] * number)


async def test_held_deliveries_are_counted_by_reason(backend: Backend) -> None:
    """A delivery that is held for another reason, or is no longer held, is counted there only."""
    bulk = held(4).replace(lane=Lane.bulk)
    await hold(backend, [held(1), held(2)], 100, Reason.quiet_hours)
    await hold(backend, [held(3), bulk], 100, Reason.digest)
    await hold(backend, [held(2)], 200, Reason.limit)
    await backend.due.add([delivery(5)], [100])

    assert dict(await backend.due.held_by_reason()) == {
        (Lane.normal, Reason.quiet_hours): 1,
        (Lane.normal, Reason.limit): 1,
        (Lane.normal, Reason.digest): 1,
        (Lane.bulk, Reason.digest): 1,
    }
    assert dict(await backend.due.standing()) == {
        (Lane.normal, State.held): 3,
        (Lane.bulk, State.held): 1,
        (Lane.normal, State.deferred): 1,
    }
    await backend.due.add([held(1)], [300])
    await backend.due.drop([held(3).id])
    await backend.due.remove_dispatched(await backend.due.take(200, 10))
    assert dict(await backend.due.held_by_reason()) == {}
    assert dict(await backend.due.standing()) == {(Lane.normal, State.deferred): 1}


async def test_the_due_set_is_read_in_pages(backend: Backend) -> None:
    """In the order of time and id, however many are due at the same time, and while some of them leave."""
    times = [random.Random(n).choice((100, 100, 250, 300)) for n in range(230)]
    every = sorted((at_ms, delivery(n).id) for n, at_ms in enumerate(times))
    await backend.due.add([delivery(n) for n in range(230)], times)

    read: list[tuple[int, str]] = []
    while page := await backend.due.page(read[-1] if read else (0, ""), 40):
        assert len(page) <= 40
        read += [(at_ms, one.id) for at_ms, one in page]
        await backend.due.drop([read[-1][1]])
    assert read == every
    assert await backend.due.page((250, "~"), 1) == await backend.due.page((299, ""), 1)
    assert list(await backend.due.page((301, ""))) == []


async def test_the_held_deliveries_of_a_recipient(backend: Backend) -> None:
    """Those of others, those that are deferred and those that have left are not among them."""
    assert list(await backend.due.with_held(["alice", "bob {x}"])) == [False, False]
    await hold(backend, [held(1), held(2), held(3), held(4)], 100, Reason.limit)
    await hold(backend, [held(5, "bob {x}")], 100, Reason.digest)
    await backend.due.add([held(6), held(4)], [100, 100])
    await backend.due.drop([held(1).id])

    assert sorted(await backend.due.held_of("alice")) == sorted([held(2).id, held(3).id])
    assert list(await backend.due.held_of("bob {x}")) == [held(5).id]
    assert list(await backend.due.held_of("carol")) == []
    assert list(await backend.due.with_held(["carol", "bob {x}", "alice"])) == [False, True, True]
    assert list(await backend.due.with_held([])) == []
    await backend.due.remove_dispatched(await backend.due.take(200, 10))
    assert [*await backend.due.held_of("alice"), *await backend.due.held_of("bob {x}")] == []
    assert list(await backend.due.with_held(["alice", "bob {x}"])) == [False, False]


async def test_a_delivery_that_is_held_again_meanwhile_stays_among_the_held_ones(backend: Backend) -> None:
    """The stage may hold it before the scheduler has removed it; a dispatch in vain is no end."""
    await hold(backend, [held(1)], 100, Reason.limit)
    taken = await backend.due.take(200, 10)
    await hold(backend, [held(1)], 300, Reason.quiet_hours)
    await backend.due.remove_dispatched(taken)

    assert list(await backend.due.held_of("alice")) == [held(1).id]
    assert list(await backend.due.with_held(["alice"])) == [True]


async def test_a_delivery_can_be_hastened(backend: Backend) -> None:
    """One that is due before, is leased or does not wait stays as it is; it stays held for its reason."""
    await hold(backend, [held(1), held(2)], 1000, Reason.quiet_hours)
    await backend.due.add([delivery(3), delivery(4)], [400, 100])
    await backend.due.take(100, 1, 5000)
    ids = [delivery(n).id for n in (1, 1, 3, 4, 9)]

    assert await backend.due.hasten(ids, 500) == 1
    assert await backend.due.hasten([], 500) == 0
    assert list(await backend.due.times([delivery(n).id for n in (1, 2, 3, 4)])) == [500, 1000, 400, 5100]
    assert dict(await backend.due.held_by_reason()) == {(Lane.normal, Reason.quiet_hours): 2}
    assert [one.due_ms for one in await backend.due.take(500, 1)] in ([400], [500])
    assert sorted(await backend.due.held_of("alice")) == sorted([held(1).id, held(2).id])
