"""What Withdrawals promises, and what the due set and the ledger promise to those who ask for one delivery."""

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.ports import SupersedableEvent
from tests.specs.backend import Backend


async def test_the_later_one_sees_the_earlier_one(backend: Backend) -> None:
    """An event noted before a withdrawal is named by it; one noted after it is told of it."""
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


async def test_newer_events_are_not_named(backend: Backend) -> None:
    """Up to the time, this one included."""
    await backend.withdrawals.note(
        [SupersedableEvent("k", event, at, 60) for event, at in (("a", 1), ("b", 2), ("c", 3))]
    )

    assert sorted(await backend.withdrawals.withdraw("k", 2, 60)) == ["a", "b"]


async def test_the_latest_time_stays(backend: Backend) -> None:
    """An older withdrawal takes nothing of a newer one back."""
    await backend.withdrawals.withdraw("k", 20, 60)
    await backend.withdrawals.withdraw("k", 10, 60)

    assert list(await backend.withdrawals.note([SupersedableEvent("k", "a", 15, 60)])) == [20]
    assert list(await backend.withdrawals.note([])) == []


async def test_a_word_without_time_to_stand_names_its_events_and_is_forgotten(backend: Backend) -> None:
    """A rebuild finds what an old withdrawal meant, and does not give it a new life."""
    await backend.withdrawals.note([SupersedableEvent("k", "a", 15, 60)])

    assert list(await backend.withdrawals.withdraw("k", 20, 0)) == ["a"]
    assert list(await backend.withdrawals.note([SupersedableEvent("k", "b", 15, 60)])) == [None]


async def test_many_keys_at_once_keep_their_order(backend: Backend) -> None:
    """Answers come in the order of the items, over slots and chunks."""
    await backend.withdrawals.withdraw("{odd}|3", 5, 60)
    items = [SupersedableEvent(f"{{odd}}|{n % 7}", f"e{n}", n, 60) for n in range(1200)]

    answers = await backend.withdrawals.note(items)

    assert [n for n, answer in enumerate(answers) if answer is not None] == list(range(3, 1200, 7))


async def test_a_delivery_in_the_due_set_can_be_looked_up_and_dropped(backend: Backend) -> None:
    """By its id, also while it is leased; one that is not there is no mistake."""
    waiting = [
        Delivery(
            id=f"d{n}", event="e", event_id="1", source="/t", type="t", channel="email", recipient="r",
            rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=9,
        )
        for n in range(3)
    ]  # fmt: skip
    await backend.due.add(waiting, [5, 6, 7])
    await backend.due.take(5, 10, lease_ms=100)

    assert list(await backend.due.times(["d1", "none", "d0"])) == [6, None, 105]
    await backend.due.drop(["d0", "none", "d2"])
    assert list(await backend.due.times(["d0", "d1", "d2"])) == [None, 6, None]
    assert await backend.due.count() == 1
    assert list(await backend.due.times([])) == []
