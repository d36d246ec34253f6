"""What the DueSet promises."""

from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id
from tests.specs.backend import Backend


def delivery(n: int, name: str = "") -> Delivery:
    return Delivery(
        id=delivery_id("e", str(n), "email"),
        event="e",
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
        data={"lot": {"id": n}},
    )


async def test_what_is_due_comes_whole(backend: Backend) -> None:
    """A delivery comes back as it was stored, once its time has come and not before."""
    await backend.due.add([delivery(1, "Zoë"), delivery(2)], [100, 200])

    assert list(await backend.due.take(99, 10)) == []
    assert [due.delivery for due in await backend.due.take(100, 10)] == [delivery(1, "Zoë")]


async def test_a_lease_hides_and_returns(backend: Backend) -> None:
    """What was taken comes again after its lease, unless it was settled."""
    await backend.due.add([delivery(1), delivery(2)], [100, 100])
    taken = await backend.due.take(100, 10, 1000)
    await backend.due.settle([one for one in taken if one.delivery.id == delivery(1).id])

    assert list(await backend.due.take(1099, 10)) == []
    assert [one.delivery for one in await backend.due.take(1100, 10)] == [delivery(2)]
    assert await backend.due.count() == 1


async def test_a_moved_delivery_is_not_settled(backend: Backend) -> None:
    """Storing a delivery again moves it: the lease given before settles nothing, and it has one place."""
    await backend.due.add([delivery(1)], [100])
    taken = await backend.due.take(100, 10)
    await backend.due.add([delivery(1, "again")], [500])
    await backend.due.settle(taken)

    assert await backend.due.count() == 1
    assert await backend.due.oldest_ms() == 500
    assert [one.delivery.name for one in await backend.due.take(500, 10)] == ["again"]


async def test_a_later_lease_is_not_settled_by_an_earlier_one(backend: Backend) -> None:
    """When a lease has run out and another has taken over, the first one settles nothing."""
    await backend.due.add([delivery(1)], [100])
    first = await backend.due.take(100, 10, 50)
    second = await backend.due.take(150, 10, 50)
    await backend.due.settle(first)

    assert await backend.due.count() == 1
    await backend.due.settle(second)
    assert await backend.due.count() == 0


async def test_take_keeps_its_limit_and_leaves_none_behind(backend: Backend) -> None:
    """Never more than the limit; repeated, every due delivery comes once."""
    await backend.due.add([delivery(n) for n in range(1203)], [n % 7 for n in range(1203)])

    sizes, seen = [], []
    while taken := await backend.due.take(1000, 100):
        sizes.append(len(taken))
        seen += [one.delivery.recipient for one in taken]

    assert max(sizes) <= 100
    assert sorted(map(int, seen)) == list(range(1203))
    assert [len(await backend.due.take(50_000_000, n)) for n in (0, 1, 2)] == [0, 1, 2]


async def test_oldest_is_the_earliest_of_all(backend: Backend) -> None:
    """The earliest time is known; with nothing waiting there is none."""
    assert await backend.due.oldest_ms() is None
    await backend.due.add([delivery(n) for n in range(40)], [1000 - n for n in range(40)])

    assert await backend.due.oldest_ms() == 961
    await backend.due.settle(await backend.due.take(2000, 100))
    assert await backend.due.oldest_ms() is None
    await backend.due.add([], [])
    assert await backend.due.count() == 0


async def test_what_waits_can_be_looked_at(backend: Backend) -> None:
    """By its id, whole, as it was put there last, also while it is leased; None for what does not wait."""
    one, two = delivery(1), delivery(2, "Zoë")
    tried = one.model_copy(update={"attempt": 3})
    await backend.due.add([one, two], [5, 6])
    await backend.due.take(5, 10, lease_ms=100)
    await backend.due.add([tried], [9])

    assert list(await backend.due.waiting([two.id, "none", one.id])) == [two, None, tried]
    assert list(await backend.due.waiting([])) == []
