"""Spec of the Withdrawals port, and of the due set for single deliveries, which withdrawing uses."""

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.ports import SupersedableEvent
from tests.specs.backend import Backend


async def test_the_second_of_event_and_withdrawal_sees_the_first(backend: Backend) -> None:
    """A withdrawal returns the events noted before it; an event noted after it gets the time of the withdrawal."""
    assert list(await backend.withdrawals.note([SupersedableEvent("t|7", "a", 10, 60)])) == [None]
    assert list(await backend.withdrawals.withdraw("t|7", 20, 60)) == ["a"]
    assert list(
        await backend.withdrawals.note(
            [SupersedableEvent("t|7", "b", 15, 60), SupersedableEvent("t|8", "c", 15, 60)]
        )
    ) == [
        20,
        None,
    ]
    assert sorted(await backend.withdrawals.withdraw("t|7", 20, 60)) == ["a", "b"]


async def test_newer_events_are_not_withdrawn(backend: Backend) -> None:
    """A withdrawal returns events up to its time, this one included."""
    await backend.withdrawals.note(
        [SupersedableEvent("k", event, at, 60) for event, at in (("a", 1), ("b", 2), ("c", 3))]
    )

    assert sorted(await backend.withdrawals.withdraw("k", 2, 60)) == ["a", "b"]


async def test_the_latest_withdrawal_is_kept(backend: Backend) -> None:
    """An older withdrawal does not shorten a newer one."""
    await backend.withdrawals.withdraw("k", 20, 60)
    await backend.withdrawals.withdraw("k", 10, 60)

    assert list(await backend.withdrawals.note([SupersedableEvent("k", "a", 15, 60)])) == [20]
    assert list(await backend.withdrawals.note([])) == []


async def test_a_withdrawal_kept_for_no_time_returns_its_events(backend: Backend) -> None:
    """A rebuild gets the events of an expired withdrawal without storing it again."""
    await backend.withdrawals.note([SupersedableEvent("k", "a", 15, 60)])

    assert list(await backend.withdrawals.withdraw("k", 20, 0)) == ["a"]
    assert list(await backend.withdrawals.note([SupersedableEvent("k", "b", 15, 60)])) == [None]


async def test_many_keys_at_once_keep_their_order(backend: Backend) -> None:
    """Results come in the order of the items, over slots and chunks."""
    await backend.withdrawals.withdraw("{odd}|3", 5, 60)
    items = [SupersedableEvent(f"{{odd}}|{n % 7}", f"e{n}", n, 60) for n in range(1200)]

    results = await backend.withdrawals.note(items)

    assert [n for n, until_ms in enumerate(results) if until_ms is not None] == list(range(3, 1200, 7))


async def test_an_event_is_remembered_with_its_time(backend: Backend) -> None:
    """An event that is published again is found with the time that it had at first."""
    await backend.withdrawals.note([SupersedableEvent("k", "a", 1_700_000_000_123, 60)])

    times = await backend.withdrawals.times([("k", "b"), ("k", "a"), ("none", "a")])

    assert list(times) == [None, 1_700_000_000_123, None]
    assert list(await backend.withdrawals.times([])) == []


async def test_single_deliveries_of_the_due_set_can_be_read_and_dropped(backend: Backend) -> None:
    """A delivery is read and dropped by its id, also while it is leased; an unknown id is no error."""
    event = event_key("/t", "1")
    ids = [delivery_id(event, f"r{n}", "email") for n in range(3)]
    waiting = [
        Delivery(
            id=ids[n], event=event, event_id="1", source="/t", type="t", channel="email", recipient="r",
            rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=9,
        )
        for n in range(3)
    ]  # fmt: skip
    await backend.due.add(waiting, [5, 6, 7])
    await backend.due.take(5, 10, lease_ms=100)

    assert list(await backend.due.times([ids[1], "none", ids[0]])) == [6, None, 105]
    await backend.due.drop([ids[0], "none", ids[2]])
    assert list(await backend.due.times(ids)) == [None, 6, None]
    assert await backend.due.count() == 1
    assert list(await backend.due.times([])) == []
