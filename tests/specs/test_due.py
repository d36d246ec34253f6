"""Spec of the DueSet port."""

from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
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
